//! The bottleneck by targets: below one, no device may be busy for longer, which leaves out most of
//! what a device can hold. Bounds of that are stronger than bounds of all plans, the more the lower
//! the target (destructive bounds: Klein and Scholl, EJOR 112, 1999).

use edgeplan_problem::{Cost, SolverError, gap};

use crate::search::{Explored, Search};

// Gaps of joint alone after 15 s on one thread, with and without targets, of three models on 8
// devices of 8 layers and on 6 of 12: 6.5 and 20.5 %, 4.7 and 9.2 %; of free placement of 26
// layers on 8: 8.1 and 15.1 %. First trees of 20 nodes left 10.1 % of the first.

/// Nodes of a first tree, and how many times more a next one may have.
const NODES: u64 = 4;
const GROWTH: u64 = 3;
/// How often plans are annealed before the first target.
const ANNEALED: u64 = 5;
/// Targets, as shares of what is between the bound and the best plan.
const SHARES: [f64; 2] = [0.5, 0.2];
/// From this gap on a target is about as hard as the question: free placement of 26 layers on 5
/// devices is proven in 7 s by a tree of its own, and not in 15 s by targets up to the end.
const NEAR: f64 = 0.02;

impl Search<'_, '_, '_> {
    /// Raises the bound and looks for plans until they meet.
    pub(crate) fn close_in(&mut self) -> Result<(), SolverError> {
        // Where the root alone proves the first plan, more plans would take most of the time.
        if self.explore(1)? == Explored::All {
            return Ok(());
        }
        self.anneal_first(ANNEALED)?;
        let mut nodes = NODES;
        loop {
            self.ceiling = u64::MAX;
            if self.is_near() {
                self.explore(u64::MAX)?;
                return Ok(());
            }
            // The question's own tree finds plans: below a target there are few or none.
            if self.explore(nodes)? == Explored::All {
                return Ok(());
            }
            for share in SHARES {
                self.try_targets(share, nodes)?;
            }
            nodes = nodes.saturating_mul(GROWTH);
        }
    }

    /// Whether targets are no easier than the question.
    fn is_near(&self) -> bool {
        let bound = self.run.bound().unwrap_or_default();
        self.run.best().is_some_and(|&(_, cost)| gap(cost, bound) <= NEAR)
    }

    /// Tries targets at this share until one is not decided in so many nodes.
    fn try_targets(&mut self, share: f64, nodes: u64) -> Result<(), SolverError> {
        while self.run.best().is_some() && !self.is_near() {
            self.ceiling = u64::MAX;
            let (least, most) = (self.run.bound().unwrap_or_default().0, self.cutoff());
            self.ceiling = least + (most.saturating_sub(least) as f64 * share).ceil() as u64;
            let target = self.cutoff();
            match self.explore(nodes)? {
                // The cutoff is lower by then where a plan below the target was found.
                Explored::All => self.run.lower_bound(Cost(self.cutoff())),
                Explored::Part if self.cutoff() < target => {}
                Explored::Part => break,
            }
        }
        Ok(())
    }
}
