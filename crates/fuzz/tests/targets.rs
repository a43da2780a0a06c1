//! Every target on its seeds, on the inputs that campaigns kept, and on changes of both.

use std::path::{Path, PathBuf};

use edgeplan_fuzz::{TARGETS, Target};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

/// Executions of each target on changed inputs.
const EXECUTIONS: u32 = 500;

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target.name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn names_are_unique_and_corpora_belong_to_targets() {
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TARGETS.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(!entry.path().is_dir() || names.contains(&name.as_str()), "{name}: no target");
    }
}

#[test]
fn seeds_and_corpora_do_no_harm() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}", target.name);
        seeds.iter().chain(&corpus(target)).for_each(|input| (target.run)(input));
    }
}

/// A change that keeps most of an input.
#[derive(Debug, Clone)]
enum Change {
    Byte(prop::sample::Index, u8),
    Number(prop::sample::Index, u64),
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    let number = prop_oneof![0..300u64, Just(u64::MAX), (0..64u32).prop_map(|bit| 1 << bit)];
    prop_oneof![
        3 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (place(), number).prop_map(|(at, number)| Change::Number(at, number)),
        1 => (place(), 1..40usize).prop_map(|(at, count)| Change::Cut(at, count)),
        1 => (place(), 1..40usize).prop_map(|(at, count)| Change::Double(at, count)),
    ]
}

fn changed(input: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for change in changes.iter().filter(|_| !input.is_empty()) {
        let length = bytes.len().max(1);
        let range = |at: usize, count: usize| at.min(bytes.len())..(at + count).min(bytes.len());
        match change {
            Change::Byte(at, byte) => {
                let at = at.index(length);
                bytes.get_mut(at).into_iter().for_each(|there| *there = *byte);
            }
            // Digits at or after a place become another number.
            Change::Number(at, number) => {
                let at = at.index(length);
                let digit = bytes[at.min(bytes.len())..].iter().position(u8::is_ascii_digit);
                if let Some(first) = digit.map(|offset| at + offset) {
                    let digits = bytes[first..].iter().take_while(|b| b.is_ascii_digit()).count();
                    bytes.splice(first..first + digits, number.to_string().into_bytes());
                }
            }
            Change::Cut(at, count) => {
                let range = range(at.index(length), *count);
                bytes.drain(range);
            }
            Change::Double(at, count) => {
                let range = range(at.index(length), *count);
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
        }
    }
    bytes
}

/// The same changes on every run: a failure can be seen again.
#[test]
fn changed_inputs_do_no_harm() {
    for target in TARGETS {
        let inputs: Vec<Vec<u8>> = (target.seeds)().into_iter().chain(corpus(target)).collect();
        let config = ProptestConfig {
            cases: EXECUTIONS,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[22; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let strategy = (prop::sample::select(inputs), proptest::collection::vec(change(), 1..5));
        let run = runner.run(&strategy, |(input, changes)| {
            (target.run)(&changed(&input, &changes));
            Ok(())
        });
        run.unwrap_or_else(|failure| panic!("{}: {failure}", target.name));
    }
}
