//! Scripts for a POSIX shell.

/// A script: what it does, and what it runs, one argument per line.
pub(crate) fn script(what: &str, before: &str, arguments: &[String]) -> String {
    format!("#!/bin/sh\n# {what}\nset -eu\n{before}exec {}\n", arguments.join(" \\\n  "))
}

/// An option and its value.
pub(crate) fn option(name: &str, value: impl ToString) -> String {
    format!("{name} {}", quoted(&value.to_string()))
}

/// A word as the shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A name as a part of a file's name, or of an address.
pub(crate) fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_it_must_be() {
        assert_eq!(quoted("10.0.0.2:50052,b:1"), "10.0.0.2:50052,b:1");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
        assert_eq!(plain("../a b"), ".._a_b");
    }
}
