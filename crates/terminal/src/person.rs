//! Questions on the terminal.

use std::io::{IsTerminal as _, Write as _};

/// Whether questions can be read and answered: standard input and error are terminals.
pub fn has_person() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A typed line, without blanks around it; none at the end of the input. `usual` is
/// what an empty line will mean.
pub fn answer(question: &str, usual: &str) -> Option<String> {
    let mut shown = anstream::stderr().lock();
    let usual = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
    write!(shown, "{question}{usual} ").and_then(|()| shown.flush()).ok()?;
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(1..) => Some(line.trim().to_owned()),
        _ => None,
    }
}
