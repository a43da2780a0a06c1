//! The solvers of schedules.

use edgeplan_greedy::{ByArrival, Rule};
use edgeplan_ilp::Ilp;
use edgeplan_mip::{Cbc, Highs};
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_rounding::Rounding;
use edgeplan_schedule_search::ScheduleSearch;

use crate::{Entry, Guarantee};

const GUS: &str = "GUS, arXiv 2011.08381";
const BASELINE: &str = "baseline of GUS, arXiv 2011.08381";

/// Groups per request that take milliseconds.
const QUICK_PATIENCE: u32 = 5;

/// The program started from a plan that takes milliseconds.
fn started(ilp: Ilp<Scheduling>) -> Ilp<Scheduling> {
    ilp.starting_from(ScheduleSearch { patience: QUICK_PATIENCE, ..ScheduleSearch::default() })
}

/// Every solver of schedules; the first is the default.
pub const SCHEDULING: &[Entry<Scheduling>] = &[
    Entry {
        name: "schedule-search",
        guarantee: Guarantee::Bounded,
        about: "Lagrangian prices of both capacities, regret, groups served again",
        reference: "this project, crates/search",
        make: &|| Box::new(ScheduleSearch::default()),
    },
    Entry {
        name: "highs",
        guarantee: Guarantee::Exact,
        about: "integer program by HiGHS",
        reference: GUS,
        make: &|| Box::new(started(Ilp::new(Highs))),
    },
    Entry {
        name: "cbc",
        guarantee: Guarantee::Exact,
        about: "the same program by CBC, in a process of its own",
        reference: GUS,
        // Given an optimal plan to start from, CBC calls some of these programs infeasible.
        make: &|| Box::new(Ilp::new(Cbc::default())),
    },
    Entry {
        name: "lp-rounding",
        guarantee: Guarantee::Bounded,
        about: "LP relaxation by HiGHS; at most two requests per server are left to repair",
        reference: "Benders and van Nunen, Oper. Res. Lett. 2, 1983, for the count",
        make: &|| Box::new(Rounding::default()),
    },
    Entry {
        name: "gus",
        guarantee: Guarantee::Heuristic,
        about: "by arrival: the most satisfying server and variant that still fit",
        reference: GUS,
        make: &|| Box::new(ByArrival { rule: Rule::Gus }),
    },
    Entry {
        name: "random",
        guarantee: Guarantee::Heuristic,
        about: "by arrival: any server and variant that meet the demands",
        reference: BASELINE,
        make: &|| Box::new(ByArrival { rule: Rule::Random }),
    },
    Entry {
        name: "random-blind",
        guarantee: Guarantee::Heuristic,
        about: "by arrival: any server and variant; dropped where the demands are missed",
        reference: BASELINE,
        make: &|| Box::new(ByArrival { rule: Rule::RandomBlind }),
    },
    Entry {
        name: "local-all",
        guarantee: Guarantee::Heuristic,
        about: "as gus, on the covering server only",
        reference: BASELINE,
        make: &|| Box::new(ByArrival { rule: Rule::LocalAll }),
    },
    Entry {
        name: "offload-all",
        guarantee: Guarantee::Heuristic,
        about: "as gus, in the cloud only",
        reference: BASELINE,
        make: &|| Box::new(ByArrival { rule: Rule::OffloadAll }),
    },
    Entry {
        name: "happy-computation",
        guarantee: Guarantee::Heuristic,
        about: "as gus, as if computation had no end; dropped where it has",
        reference: BASELINE,
        make: &|| Box::new(ByArrival { rule: Rule::HappyComputation }),
    },
    Entry {
        name: "happy-communication",
        guarantee: Guarantee::Heuristic,
        about: "as gus, as if communication had no end; dropped where it has",
        reference: BASELINE,
        make: &|| Box::new(ByArrival { rule: Rule::HappyCommunication }),
    },
];

/// The entry of that name.
pub fn find_scheduling(name: &str) -> Option<&'static Entry<Scheduling>> {
    SCHEDULING.iter().find(|entry| entry.name == name)
}
