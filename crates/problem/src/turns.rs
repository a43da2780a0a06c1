//! Turns of solvers that share fewer threads than there are of them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a turn is for each share: long beside a switch, short beside what people wait for.
const TURN: Duration = Duration::from_millis(5);
/// A waiting solver looks up so often.
const WAIT: Duration = Duration::from_millis(5);

/// Whose turn it is: of those that wait, the one that had the least time for its share. An engine
/// that does not look up for seconds waits the longer afterwards (stride scheduling: Waldspurger
/// and Weihl, MIT/LCS/TM-528, 1995).
pub(crate) struct Turns {
    state: Mutex<Vec<Turn>>,
    changed: Condvar,
}

/// What a solver may expect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    /// Its part of the sum of shares.
    pub(crate) share: u32,
    /// What it has before the others begin.
    pub(crate) lead: Duration,
}

/// A solver's place in the order.
struct Turn {
    share: u32,
    /// What it had before its present turn, and what it leaves to others that lead.
    had: Duration,
    now: Now,
}

/// What a solver does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    Runs {
        since: Instant,
    },
    Waits,
    /// It has ended.
    Done,
}

impl Turns {
    /// None where there are as many threads as solvers.
    pub(crate) fn of(claims: &[Claim], threads: usize) -> Option<Self> {
        let state = || Mutex::new(order(claims, threads));
        (threads < claims.len()).then(|| Self { state: state(), changed: Condvar::new() })
    }

    /// Goes on when it is this solver's turn, or when all is over.
    pub(crate) fn take(&self, number: usize, is_over: impl Fn() -> bool) {
        let mut state = self.locked();
        let turn = &state[number];
        let ends = |since: Instant| since.elapsed() >= TURN * turn.share;
        if matches!(turn.now, Now::Runs { since } if ends(since)) {
            pass(&mut state, number, Now::Waits);
            self.changed.notify_all();
        }
        while state[number].now == Now::Waits && !is_over() {
            let waited = self.changed.wait_timeout(state, WAIT);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A solver has ended.
    pub(crate) fn leave(&self, number: usize) {
        pass(&mut self.locked(), number, Now::Done);
        self.changed.notify_all();
    }

    /// Lets all that wait look up.
    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Turn>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first turns: of those that lead most, for their share.
fn order(claims: &[Claim], threads: usize) -> Vec<Turn> {
    let lead = |claim: &Claim| claim.lead / claim.share.max(1);
    let most = claims.iter().map(lead).max().unwrap_or_default();
    let turn = |claim: &Claim| Turn {
        share: claim.share,
        had: (most - lead(claim)) * claim.share,
        now: Now::Waits,
    };
    let mut turns: Vec<Turn> = claims.iter().map(turn).collect();
    for _ in 0..threads {
        begin(&mut turns);
    }
    turns
}

/// Begins the turn of the solver that is due.
fn begin(turns: &mut [Turn]) {
    let waiting = turns.iter_mut().filter(|turn| turn.now == Now::Waits);
    if let Some(due) = waiting.min_by_key(|turn| turn.had / turn.share.max(1)) {
        due.now = Now::Runs { since: Instant::now() };
    }
}

/// Ends a solver's turn, and begins that of the one that is due.
fn pass(turns: &mut [Turn], number: usize, next: Now) {
    let turn = &mut turns[number];
    let now = std::mem::replace(&mut turn.now, next);
    let Now::Runs { since } = now else { return };
    turn.had += since.elapsed();
    begin(turns);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_lead_begin() {
        let claim = |share, seconds| Claim { share, lead: Duration::from_secs(seconds) };
        let claims = [claim(5, 0), claim(1, 1), claim(2, 1)];
        let turns = order(&claims, 1);
        let had: Vec<f64> = turns.iter().map(|turn| turn.had.as_secs_f64()).collect();
        assert_eq!(had, [5.0, 0.0, 1.0]);
        let runs = |turn: &Turn| matches!(turn.now, Now::Runs { .. });
        assert_eq!(turns.iter().map(runs).collect::<Vec<_>>(), [false, true, false]);
        let turns = order(&claims, 2);
        assert_eq!(turns.iter().map(runs).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_solver_that_ends_makes_way() {
        let claim = Claim { share: 1, lead: Duration::ZERO };
        let turns = Turns::of(&[claim; 2], 1).expect("two on one thread");
        let runs = |number: usize| matches!(turns.locked()[number].now, Now::Runs { .. });
        assert!(runs(0) && !runs(1));
        turns.leave(0);
        turns.take(1, || false);
        assert!(!runs(0) && runs(1));
        assert!(Turns::of(&[claim; 2], 2).is_none());
    }
}
