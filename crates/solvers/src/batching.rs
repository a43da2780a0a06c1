//! Every solver of batching problems.

use edgeplan_batch_search::{BatchSearch, Dftsp, NodeByNode, Pruning};
use edgeplan_dp::BatchSweep;
use edgeplan_greedy::BatchPolicy;
use edgeplan_ilp::Ilp;
use edgeplan_mip::{Cbc, Highs};
use edgeplan_problem::batching::Batching;
use edgeplan_rounding::Rounding;

use crate::{Entry, Guarantee};

const DFTSP: &str = "DFTSP, arXiv 2405.07140";
const OT_GAH: &str = "OT-GAH, doi 10.1109/TWC.2024.3497923";

/// Every solver of batching problems. Exact ones that plan a single node refuse several.
pub const BATCHING: &[Entry<Batching>] = &[
    Entry {
        name: "batch-search",
        guarantee: Guarantee::Exact,
        about: "prefixes of chains, depth first, bounded by fractional knapsacks (one node)",
        reference: "this project, crates/search",
        make: &|| Box::new(BatchSearch::default().starting_from(BatchPolicy::Cheapest)),
    },
    Entry {
        name: "dftsp",
        guarantee: Guarantee::Exact,
        about: "a size and a tightest member, then depth first with online pruning (one node)",
        reference: DFTSP,
        make: &|| Box::new(Dftsp { pruning: Pruning::Online }),
    },
    Entry {
        name: "brute-force",
        guarantee: Guarantee::Exact,
        about: "the same tree without pruning (one node)",
        reference: DFTSP,
        make: &|| Box::new(Dftsp { pruning: Pruning::None }),
    },
    Entry {
        name: "highs",
        guarantee: Guarantee::Exact,
        about: "the integer program, solved by HiGHS",
        reference: DFTSP,
        make: &|| Box::new(Ilp::new(Highs).starting_from(BatchPolicy::Cheapest)),
    },
    Entry {
        name: "cbc",
        guarantee: Guarantee::Exact,
        about: "the same integer program, solved by CBC in a process of its own",
        reference: DFTSP,
        // Given an optimal plan to start from, CBC calls some of these programs infeasible.
        make: &|| Box::new(Ilp::new(Cbc::default())),
    },
    Entry {
        name: "node-by-node",
        guarantee: Guarantee::Bounded,
        about: "the best batch of each node in turn; serves at least half of the most possible",
        reference: OT_GAH,
        make: &|| Box::new(NodeByNode),
    },
    Entry {
        name: "sweep",
        guarantee: Guarantee::Bounded,
        about: "a heap over slacks; optimal where bandwidth does not bind (one node)",
        reference: "Moore and Hodgson 1968",
        make: &|| Box::new(BatchSweep),
    },
    Entry {
        name: "lp-rounding",
        guarantee: Guarantee::Bounded,
        about: "LP relaxation by HiGHS, plans drawn from it, repaired by local search",
        reference: "randomized rounding, Raghavan and Thompson 1987",
        make: &|| Box::new(Rounding::default()),
    },
    Entry {
        name: "cheapest-first",
        guarantee: Guarantee::Heuristic,
        about: "requests in order of work, least first, as long as they fit",
        reference: "folklore",
        make: &|| Box::new(BatchPolicy::Cheapest),
    },
    Entry {
        name: "first-come",
        guarantee: Guarantee::Heuristic,
        about: "requests in order of arrival, as long as they fit",
        reference: "folklore",
        make: &|| Box::new(BatchPolicy::FirstCome),
    },
    Entry {
        name: "static",
        guarantee: Guarantee::Heuristic,
        about: "a batch of a size that is safe for the longest request",
        reference: DFTSP,
        make: &|| Box::new(BatchPolicy::Static(None)),
    },
    Entry {
        name: "no-batching",
        guarantee: Guarantee::Heuristic,
        about: "each request alone on one of the node's devices",
        reference: DFTSP,
        make: &|| Box::new(BatchPolicy::Alone),
    },
];

/// The batching solver of that name.
pub fn find_batching(name: &str) -> Option<&'static Entry<Batching>> {
    BATCHING.iter().find(|entry| entry.name == name)
}
