//! The exact solvers that complement each other, on one question at once.

use std::time::Duration;

use edgeplan_ilp::{Counts, Ilp};
use edgeplan_joint::Joint;
use edgeplan_mip::Highs;
use edgeplan_problem::deployment::{Deployment, Placement, Plan};
use edgeplan_problem::{Answer, Racer, Run, Solver, SolverError, Unsupported, race};
use edgeplan_search::ChainSearch;

/// `chain-search`, and `joint` and the integer program beside it where they help. Where memory is
/// priced, `chain-search` has good plans and weak bounds; `joint` has strong bounds, and plans
/// late; the integer program closes small tight questions. On hosts of several devices the program
/// of counts has the strongest bounds.
pub(crate) struct Portfolio {
    pub(crate) counts: Counts,
    pub(crate) chain: ChainSearch,
    pub(crate) joint: Joint,
    pub(crate) compact: Ilp<Deployment>,
}

/// Larger programs are not worth their time beside `joint`.
const NONZEROS_MAX: usize = 400_000;

/// The integer program on HiGHS, which is not believed that there is no plan: its presolve has said
/// so falsely.
pub(crate) fn compact() -> Ilp<Deployment> {
    Ilp { nonzeros_max: NONZEROS_MAX, may_deny: false, ..Ilp::new(Highs) }
}

/// Whether one model lies on hosts of several devices.
pub(crate) fn has_insides(deployment: &Deployment) -> bool {
    deployment.models.len() == 1
        && deployment.placement == Placement::Contiguous
        && deployment.device_ids().any(|device| !deployment.is_alone(device))
}

/// Whether a device's memory is not one run's alone: of several models, or where a device may be
/// entered again.
pub(crate) fn shares_memory(deployment: &Deployment) -> bool {
    deployment.models.len() > 1 || deployment.placement == Placement::Free
}

/// `chain-search` leads by so much, or by half of the time: it proves free placement of home labs
/// and many questions of one machine then, and has good plans from the first moment. A whole second
/// of 20 makes the geometric mean of 28 questions of the suite `joint` 1.04 s, not 0.81 s.
const OPENING: Duration = Duration::from_millis(250);

// Of the suite `joint` at 20 s on one thread `joint` alone leaves the least open; half of the time
// for `chain-search` leaves 5.7 % of a free placement of 26 layers on 8 devices where `joint` alone
// leaves 0.2 %. The integer program proves 6 questions of several contiguous models that `joint`
// does not (throughput of three models on 6 devices with a third of the time, and not with a
// sixth), and no free placement. Of 26 questions of several contiguous models at 20 s as much time
// as `joint` has proves 18 in 6.3 s, 0.5 % open; three fifths of that 17 in 7.1 s, 0.8 % open.

/// Shares of what threads there are.
const JOINT_SHARE: u32 = 5;
const JOINT_FREE_SHARE: u32 = 10;
const CHAIN_SHARE: u32 = 1;
const COMPACT_SHARE: u32 = 5;
const COMPACT_FREE_SHARE: u32 = 1;
const COUNTS_SHARE: u32 = 4;
/// On one host, where `chain-search` proves more.
const COUNTS_SHARE_ALONE: u32 = 1;

impl Portfolio {
    /// `chain-search`, which leads.
    fn opening(&self, run: &Run<'_, Deployment>) -> Racer<'_, Deployment> {
        let lead = run.remaining().map_or(OPENING, |time| OPENING.min(time / 2));
        Racer { lead, ..Racer::new(&self.chain, CHAIN_SHARE) }
    }

    /// One model on hosts: `counts` beside `chain-search`.
    fn solve_hosts(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let hosts = run.problem().host_by_device();
        let share = match hosts.iter().all(|&host| host == hosts[0]) {
            true => COUNTS_SHARE_ALONE,
            false => COUNTS_SHARE,
        };
        let chain = self.opening(run);
        race(run, &[Racer::new(&self.counts, share), chain])
    }
}

impl Solver<Deployment> for Portfolio {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        self.chain.supports(problem)
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let deployment = run.problem();
        if has_insides(deployment) && self.counts.supports(deployment).is_ok() {
            return self.solve_hosts(run);
        }
        let mut racers = vec![self.opening(run)];
        if shares_memory(deployment) && self.joint.supports(deployment).is_ok() {
            let (joint, compact) = match deployment.placement {
                Placement::Contiguous => (JOINT_SHARE, COMPACT_SHARE),
                Placement::Free => (JOINT_FREE_SHARE, COMPACT_FREE_SHARE),
            };
            racers.push(Racer::new(&self.joint, joint));
            racers.push(Racer::new(&self.compact, compact));
        }
        race(run, &racers)
    }
}
