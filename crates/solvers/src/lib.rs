//! The registry of solvers: what each is called, what it promises, where it comes from.

use edgeplan_dp::{ChainExact, EdgeShardLatency, EdgeShardThroughput};
use edgeplan_greedy::{Kind, LlamaCpp, Offloading, OneFormat, Policy, QuantizeThenPlace};
use edgeplan_ilp::{Counts, Ilp};
use edgeplan_joint::Joint;
use edgeplan_mip::{Cbc, Highs};
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Problem, Solver};
use edgeplan_rounding::Rounding;
use edgeplan_search::ChainSearch;

mod batching;
mod enumeration;
mod opinion;
mod portfolio;
mod scheduling;

pub use edgeplan_ilp::FORMULATION;

pub use batching::{BATCHING, find_batching};
pub use opinion::{Effort, Opinion, second_opinion};
use portfolio::{Portfolio, compact, has_insides, shares_memory};
pub use scheduling::{SCHEDULING, find_scheduling};

/// A solver of deployment problems.
pub type DeploymentSolver = Box<dyn Solver<Deployment> + Send>;

/// What a solver's answers are worth when it has all the time it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// A proven optimum of every instance it takes.
    Exact,
    /// A proven optimum where formats are given, a plan without a bound where it must choose them.
    ExactForGivenFormats,
    /// A plan, and a proven bound that may or may not meet it.
    Bounded,
    /// A plan, or none; no bound.
    Heuristic,
}

impl Guarantee {
    /// One or a few words, for tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::ExactForGivenFormats => "exact for given formats",
            Self::Bounded => "plan and bound",
            Self::Heuristic => "heuristic",
        }
    }
}

/// A line of the registry.
pub struct Entry<P: Problem + 'static = Deployment> {
    /// The name that commands, suites and records use.
    pub name: &'static str,
    /// What it promises.
    pub guarantee: Guarantee,
    /// One sentence.
    pub about: &'static str,
    /// Where the method comes from.
    pub reference: &'static str,
    /// Makes one.
    pub make: &'static (dyn Fn() -> Box<dyn Solver<P> + Send> + Sync),
}

impl<P: Problem + 'static> std::fmt::Debug for Entry<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

const EDGESHARD: &str = "EdgeShard, arXiv 2405.14371";
const LLAMA_CPP: &str = "llama.cpp, --fit, --n-cpu-moe and --gpu-layers";
const DILEMMA: &str = "DILEMMA, arXiv 2503.01704, with flow variables";

/// States of the count-vector program that take a few milliseconds.
const QUICK_STATES: usize = 100_000;

/// The program started from the best plan that takes milliseconds.
fn started(ilp: Ilp<Deployment>) -> Ilp<Deployment> {
    ilp.starting_from(ChainExact::default()).starting_from(Policy::new(Kind::FastestFirst))
}

fn counts() -> Counts {
    Counts::new(Highs).starting_from(Policy::new(Kind::FastestFirst))
}

/// Places layers whose formats are given: the dynamic program, where it takes the question.
fn placement() -> Vec<DeploymentSolver> {
    vec![Box::new(ChainExact::default()), Box::new(chain_search())]
}

fn chain_search() -> ChainSearch {
    let search = ChainSearch::default().starting_from(Policy::new(Kind::FastestFirst));
    let quick = ChainExact { states_max: QUICK_STATES, ..ChainExact::default() };
    search.starting_from(quick)
}

fn joint() -> Joint {
    Joint::default().starting_from(Policy::new(Kind::FastestFirst))
}

/// Up to so many devices `chain-search` alone proves hosts of several of them sooner: 11 of 12
/// questions of one host with two or three, and 1 of 6 with four, of which `portfolio` proves 3 (2
/// s, family `hosts`).
const FEW_DEVICES: usize = 3;

/// The solver that suits a question best: `chain-search`, or, where a device's memory is not one
/// run's alone, or hosts have several devices, four or more in all, `portfolio`.
pub fn suited(deployment: &Deployment) -> &'static Entry {
    let is_large = deployment.devices.len() > FEW_DEVICES && has_insides(deployment);
    let name = if shares_memory(deployment) || is_large { "portfolio" } else { "chain-search" };
    find(name).expect("it is registered")
}

/// Every solver of deployment problems.
pub const DEPLOYMENT: &[Entry] = &[
    Entry {
        name: "chain-search",
        guarantee: Guarantee::Exact,
        about: "Lagrangian bounds by dynamic programming, then label setting",
        reference: "this project, crates/search",
        make: &|| Box::new(chain_search()),
    },
    Entry {
        name: "portfolio",
        guarantee: Guarantee::Exact,
        about: "chain-search, joint, counts and HiGHS at once, each knowing what the others find",
        reference: "this project; portfolios: Huberman, Lukose and Hogg, Science 275, 1997",
        make: &|| {
            let (chain, joint) = (chain_search(), joint());
            Box::new(Portfolio { counts: counts(), chain, joint, compact: compact() })
        },
    },
    Entry {
        name: "joint",
        guarantee: Guarantee::Exact,
        about: "branch and price over what devices hold: several models, free placement",
        reference: "this project, crates/joint; Barnhart et al., Operations Research 46, 1998",
        make: &|| Box::new(joint()),
    },
    Entry {
        name: "highs",
        guarantee: Guarantee::Exact,
        about: "the integer program, solved by HiGHS",
        reference: DILEMMA,
        make: &|| Box::new(started(Ilp::new(Highs))),
    },
    Entry {
        name: "counts",
        guarantee: Guarantee::Bounded,
        about: "how many layers of a kind lie on which device in which format, solved by HiGHS",
        reference: "this project, crates/ilp",
        make: &|| Box::new(counts()),
    },
    Entry {
        name: "cbc",
        guarantee: Guarantee::Exact,
        about: "the same integer program, solved by CBC in a process of its own",
        reference: DILEMMA,
        make: &|| Box::new(started(Ilp::new(Cbc::default()))),
    },
    Entry {
        name: "lp-rounding",
        guarantee: Guarantee::Bounded,
        about: "LP relaxation by HiGHS, plans drawn along its flow, repaired by local search",
        reference: "randomized rounding, Raghavan and Thompson 1987",
        make: &|| Box::new(Rounding::default()),
    },
    Entry {
        name: "lp-weak",
        guarantee: Guarantee::Bounded,
        about: "LP relaxation of a textbook's program, for its bound alone",
        reference: "to compare formulations; without rows (6'), (7), (13), (14) of crates/ilp",
        make: &|| Box::new(Rounding { draws: 0, weak: true, ..Rounding::default() }),
    },
    Entry {
        name: "chain-exact",
        guarantee: Guarantee::ExactForGivenFormats,
        about: "dynamic program over (layer, count of used devices by class, last class)",
        reference: "PipeEdge, arXiv 2110.14895; EdgeShard, arXiv 2405.14371",
        make: &|| Box::new(ChainExact::default()),
    },
    Entry {
        name: "edgeshard-latency",
        guarantee: Guarantee::Heuristic,
        about: "dynamic program over (layer, device), one memory vector per state",
        reference: EDGESHARD,
        make: &|| Box::new(EdgeShardLatency::default()),
    },
    Entry {
        name: "edgeshard-throughput",
        guarantee: Guarantee::ExactForGivenFormats,
        about: "dynamic program over (layer, set of used devices, last device)",
        reference: EDGESHARD,
        make: &|| Box::new(EdgeShardThroughput::default()),
    },
    Entry {
        name: "quantize-then-place",
        guarantee: Guarantee::Heuristic,
        about: "the smallest mix within the quality budget, then its best placement",
        reference: "LLM-PQ's sequential baseline, arXiv 2403.01136",
        make: &|| Box::new(QuantizeThenPlace { place: placement() }),
    },
    Entry {
        name: "one-format",
        guarantee: Guarantee::Heuristic,
        about: "each format for all layers in turn, in its best placement",
        reference: "folklore",
        make: &|| Box::new(OneFormat { place: placement() }),
    },
    Entry {
        name: "llama-fit",
        guarantee: Guarantee::Heuristic,
        about: "accelerators filled with layers, experts of the last blocks in RAM",
        reference: LLAMA_CPP,
        make: &|| Box::new(LlamaCpp::new(Offloading::Fit)),
    },
    Entry {
        name: "n-cpu-moe",
        guarantee: Guarantee::Heuristic,
        about: "experts of the first blocks in RAM, at the best number of blocks",
        reference: LLAMA_CPP,
        make: &|| Box::new(LlamaCpp::new(Offloading::CpuExperts)),
    },
    Entry {
        name: "gpu-layers",
        guarantee: Guarantee::Heuristic,
        about: "the last layers on the accelerators, at the best number of layers",
        reference: LLAMA_CPP,
        make: &|| Box::new(LlamaCpp::new(Offloading::GpuLayers)),
    },
    Entry {
        name: "fastest-first",
        guarantee: Guarantee::Heuristic,
        about: "fill the fastest device, then the next fastest",
        reference: "folklore",
        make: &|| Box::new(Policy::new(Kind::FastestFirst)),
    },
    Entry {
        name: "ram-proportional",
        guarantee: Guarantee::Heuristic,
        about: "layers in proportion to memory",
        reference: "exo, placement_utils.py",
        make: &|| Box::new(Policy::new(Kind::RamProportional)),
    },
    Entry {
        name: "even-split",
        guarantee: Guarantee::Heuristic,
        about: "as many layers on each device",
        reference: "folklore",
        make: &|| Box::new(Policy::new(Kind::EvenSplit)),
    },
    Entry {
        name: "edge-solo",
        guarantee: Guarantee::Heuristic,
        about: "everything on the source",
        reference: EDGESHARD,
        make: &|| Box::new(Policy::new(Kind::EdgeSolo)),
    },
    Entry {
        name: "cloud-edge-even",
        guarantee: Guarantee::Heuristic,
        about: "half on the source, half on the fastest other device",
        reference: EDGESHARD,
        make: &|| Box::new(Policy::new(Kind::CloudEdgeEven)),
    },
    Entry {
        name: "cloud-edge-opt",
        guarantee: Guarantee::Heuristic,
        about: "the best cut between the source and the fastest other device",
        reference: EDGESHARD,
        make: &|| Box::new(Policy::new(Kind::CloudEdgeOpt)),
    },
];

/// The entry of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    DEPLOYMENT.iter().find(|entry| entry.name == name)
}
