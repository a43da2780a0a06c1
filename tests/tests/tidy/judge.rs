//! One function calls solvers, and judges what they answer.

use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::{settle, texts};

#[test]
fn only_the_judge_runs_solvers() {
    // The judge, and the race of several solvers, whose answer it judges.
    let judge = "crates/problem/src/verdict.rs";
    let race = "crates/problem/src/race.rs";
    let tried =
        |file: &str| Path::new(file).iter().any(|part| part == "tests" || part == "benches");
    let sources = texts(&["rs"]);
    let callers: Vec<&str> = (sources.iter().filter(|(file, _)| !tried(file)))
        .filter(|(_, text)| calls_a_solver(text.parse().expect("the compiler read it")))
        .map(|(file, _)| file.as_str())
        .collect();
    assert!(callers.contains(&judge), "{judge}: calls no solver, so this test finds nothing");
    let others = callers.into_iter().filter(|file| ![judge, race].contains(file));
    settle(
        others.map(|file| format!("{file}: calls Solver::solve; `edgeplan_problem::solve` judges")),
    );
}

/// Whether `.solve(run)` or `Type::solve(solver, run)` is called anywhere, in macros too. Engines
/// are not meant: their `solve` takes three arguments, or none.
fn calls_a_solver(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let inside = tokens.iter().any(|token| match token {
        TokenTree::Group(group) => calls_a_solver(group.stream()),
        _ => false,
    });
    inside || (0..tokens.len()).any(|index| is_call(&tokens[..index], &tokens[index..]))
}

/// Whether a call of a solver stands between these tokens and those.
fn is_call(before: &[TokenTree], after: &[TokenTree]) -> bool {
    let [TokenTree::Ident(name), TokenTree::Group(group), ..] = after else { return false };
    if name != "solve" || group.delimiter() != Delimiter::Parenthesis {
        return false;
    }
    let before: Vec<String> = before.iter().rev().take(3).map(ToString::to_string).collect();
    match before.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [".", ..] => arguments(group) == 1,
        // A type or a trait, not a module.
        [":", ":", owner] => {
            arguments(group) == 2 && (owner == ">" || owner.starts_with(char::is_uppercase))
        }
        _ => false,
    }
}

/// How many arguments a call has.
fn arguments(group: &Group) -> usize {
    let tokens: Vec<String> = group.stream().into_iter().map(|token| token.to_string()).collect();
    let commas = tokens.iter().filter(|token| *token == ",").count();
    let trailing = usize::from(tokens.last().is_some_and(|token| token == ","));
    if tokens.is_empty() { 0 } else { 1 + commas - trailing }
}

#[test]
fn calls_of_solvers_are_recognised() {
    let cases = [
        ("solver.solve(&mut run)", true),
        ("assert!(self.inner . solve(run,).is_ok())", true),
        ("let x = Solver::solve(&inner, run);", true),
        ("<T as Solver<P>>::solve(inner, run)", true),
        ("engine.solve(&program, &request, &mut watch)", false),
        ("model.solve()", false),
        ("callback::solve(model, &mut listener)", false),
        ("solve(problem, solver, limits, observer)", false),
        ("fn solve(&self, run: &mut Run<'_, P>) {}", false),
        ("// solver.solve(run)", false),
    ];
    for (code, expected) in cases {
        assert_eq!(calls_a_solver(code.parse().unwrap()), expected, "{code}");
    }
}
