//! Parameters are named one by one: a tuple of them hides how many there are.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::{settle, texts};

#[test]
fn parameters_are_not_packed_in_tuples() {
    let sources = texts(&["rs"]).into_iter().filter(|(file, _)| file.contains("/src/"));
    settle(sources.flat_map(|(file, text)| {
        let packed = packed(text.parse().expect("the compiler read it"));
        packed.into_iter().map(move |name| format!("{file}: a tuple among parameters of {name}"))
    }));
}

/// Functions with a parameter that is taken apart as a tuple, in all that is nested, too.
fn packed(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => found.extend(packed(group.stream())),
            TokenTree::Ident(word) if word == "fn" => {
                let Some(TokenTree::Ident(name)) = tokens.get(index + 1) else { continue };
                let list = parameters(&tokens[index + 2..]);
                found.extend(list.filter(|list| has_tuple(list)).map(|_| name.to_string()));
            }
            _ => {}
        }
    }
    found
}

/// The list of parameters, after generic ones.
fn parameters(tokens: &[TokenTree]) -> Option<&Group> {
    let (mut depth, mut before) = (0, ' ');
    for token in tokens {
        match token {
            TokenTree::Group(group) if depth == 0 => {
                return (group.delimiter() == Delimiter::Parenthesis).then_some(group);
            }
            TokenTree::Punct(sign) => {
                depth += depth_of(sign.as_char(), before);
                before = sign.as_char();
            }
            _ => before = ' ',
        }
    }
    None
}

/// Whether a parameter's pattern is a tuple.
fn has_tuple(list: &Group) -> bool {
    let (mut depth, mut before, mut begins) = (0, ' ', true);
    for token in list.stream() {
        match token {
            TokenTree::Group(group) => {
                if begins && group.delimiter() == Delimiter::Parenthesis {
                    return true;
                }
                // Attributes stand before a pattern.
                begins &= group.delimiter() == Delimiter::Bracket;
            }
            TokenTree::Punct(sign) => {
                let sign = sign.as_char();
                depth += depth_of(sign, before);
                begins = sign == ',' && depth == 0 || begins && "&#".contains(sign);
                before = sign;
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => (begins, before) = (false, ' '),
        }
    }
    false
}

/// What a sign adds to the depth of angle brackets; that of an arrow is none.
fn depth_of(sign: char, before: char) -> i32 {
    match (sign, before) {
        ('<', _) => 1,
        ('>', before) if !"-=".contains(before) => -1,
        _ => 0,
    }
}

#[test]
fn tuples_among_parameters_are_recognised() {
    let cases = [
        ("fn f(a: u8, (b, c): (u8, u8)) {}", true),
        ("impl X { fn f(&self, &(b, c): &(u8, u8)) -> u8 { 0 } }", true),
        ("fn f<F: Fn(u8) -> u8>((a, b): (u8, F)) {}", true),
        ("fn f(a: (u8, u8), b: impl Fn(u8, u8) -> (u8, u8)) {}", false),
        ("fn f<F: Fn(u8) -> u8>(a: F, Point { x, y }: Point) { let (b, c) = a; }", false),
        ("fn f(a: HashMap<u8, (u8, u8)>) { g(|(b, c): (u8, u8)| b) }", false),
    ];
    for (code, expected) in cases {
        assert_eq!(!packed(code.parse().unwrap()).is_empty(), expected, "{code}");
    }
}
