//! Every number that steers the search and proves nothing: sizes of grids, lengths of climbs,
//! widths of beams, shares of time.
//!
//! Any value gives correct bounds and plans; only the time to a proof changes. Numbers that bounds
//! rest on (slack for rounding, ranges of exact sums) stand beside the code that relies on them.
//!
//! A comment says what a number counts, why it is there, and which experiment set it. "Not
//! measured" means that the history records no experiment with this number alone.

use crate::crowd::{CROWD, CrowdTuning};
use crate::effort::{Beam, Crowding, CycleEffort, DualRound, JointRound, Round, RunSearch};
use crate::hosts::{HOSTS, HostTuning};

/// The whole tuning of the chain search.
#[derive(Debug)]
pub(crate) struct Tuning {
    pub(crate) solver: SolverTuning,
    pub(crate) grid: GridTuning,
    pub(crate) ascent: AscentTuning,
    pub(crate) dual: DualTuning,
    pub(crate) labels: LabelTuning,
    pub(crate) contiguous: ContiguousTuning,
    pub(crate) rins: RinsTuning,
    pub(crate) order: OrderTuning,
    pub(crate) tree: TreeTuning,
    pub(crate) joint: JointTuning,
    pub(crate) hosts: HostTuning,
    pub(crate) crowd: CrowdTuning,
    pub(crate) corridor: CorridorTuning,
    pub(crate) bottleneck: BottleneckTuning,
    pub(crate) cycle: CycleTuning,
    pub(crate) certificate: CertificateTuning,
}

/// Parts of the time that is left.
#[derive(Debug)]
pub(crate) struct SolverTuning {
    /// One part in so many for each starting solver. Only solvers of milliseconds start a search
    /// (a0486b1), so that this seldom binds; not measured.
    pub(crate) start_share: u32,
    /// One part in so many for the least of what is limited besides the objective, where no plan is
    /// known. Not measured.
    pub(crate) limit_share: u32,
}

/// Grids of run memory.
#[derive(Debug)]
pub(crate) struct GridTuning {
    /// Units that are tried between the least and a quarter more: a unit that divides the
    /// differences between options rounds less. Not measured.
    pub(crate) unit_trials: u64,
}

/// Climbs of the dual bound.
#[derive(Debug)]
pub(crate) struct AscentTuning {
    /// The gain that the model must predict, relative to the target, for the climb to go on. Not
    /// measured.
    pub(crate) predicted_gain_min: f64,
    /// The first proximity: a device that is visited twice is priced at this share of the target.
    /// Not measured.
    pub(crate) proximity: f64,
}

/// What a round spends on its dual bound.
#[derive(Debug)]
pub(crate) struct DualTuning {
    /// Evaluations of the first climb, for each device's price, where the grid is coarse and
    /// ng-sets do not grow: there a pass is cheap (a0486b1).
    pub(crate) first_evaluations_per_device: u32,
    /// Values of a table that ng-sets may grow to, 4 bytes each. Not measured.
    pub(crate) table_values_max: usize,
    /// Table values that the climbs between growths of one round may fill: some seconds, so that
    /// the largest instances reach the rounds that find plans (a0486b1). Not measured.
    pub(crate) growth_values_max: u64,
    /// Gain of a climb, relative to the bound, below which a round ends that can grow no set. Not
    /// measured.
    pub(crate) gain_min: f64,
    /// The climb's target where no plan is known: this times the bound so far. Not measured.
    pub(crate) guessed_target: f64,
}

/// Label setting.
#[derive(Debug)]
pub(crate) struct LabelTuning {
    /// New labels up to which a layer is not thinned before it is complete. 2^12 instead of 2^14
    /// keeps them in a cache (aeaeebb).
    pub(crate) crowding: Crowding,
    /// Sets of used devices between which labels are compared; among more, only labels of one set
    /// are. 1000 since passes became cheaper (755acfc; 4000 before): the comparison is quadratic.
    pub(crate) kinds_compared_max: usize,
    /// Prices of loss, relative to the best one, at which a search that hopes to be complete bounds
    /// its labels, too: a label that has spent little or much of the budget is bounded best by
    /// another price (2b0c7ca). The numbers were not measured.
    pub(crate) other_loss_prices: [f64; OTHER_PRICES],
    /// Traces of all layers of a search, 8 bytes each: 512 MB. A limit of memory, not measured.
    pub(crate) traces_max: usize,
    /// Table values that may be computed for each label that a balanced search extends: a label
    /// takes about as long. 2500 at first; 8000 once passes were cheaper (1c9085e); 500 closed
    /// classes-82x16 with 2 nodes instead of 31 (7cadc54); 2000 with a second, wider search only
    /// where that seems to complete the proof (7e77b0c).
    pub(crate) values_per_label: usize,
    /// Labels of a layer of a balanced search at least. Not measured.
    pub(crate) balanced_min: usize,
    /// Labels of a layer of a balanced search at most, also where more would complete its proof
    /// (7e77b0c).
    pub(crate) balanced_max: usize,
    /// What the estimate of missing labels is multiplied by: an estimate that falls short wastes a
    /// whole search. Not measured.
    pub(crate) estimate_factor: f64,
}

/// One model, each device at most one run.
#[derive(Debug)]
pub(crate) struct ContiguousTuning {
    /// Rounds on the whole case, before it is split. Grids become finer from round to round,
    /// because a coarse one is the cheapest way near the best prices and a fine one closes the gap:
    /// with a prototype, random-34x20x8 had a root gap of 3.7 % at 64 steps and of 0.8 % at 1024.
    /// Evaluations are three times what they were before aeaeebb: on 128x64 classes the bound gains
    /// 0.5 %. Four more rounds up to 16384 steps instead of a tree left 1.6 % open after 10 s on
    /// edge-sites 34x12 with 30 options, which the tree proves in 1.7 s of CPU time (e084cd3).
    pub(crate) rounds: [Round; ROUNDS],
}

/// Plans near the paths that the relaxation mixes.
#[derive(Debug)]
pub(crate) struct RinsTuning {
    /// Layers before and after its own that a device may hold. Not measured.
    pub(crate) around: usize,
    /// Done on the neighbourhood, a small part of the chain. With it random-82x16 has its optimal
    /// plan after the root instead of at a late node (1c9085e).
    pub(crate) round: Round,
    /// Neighbourhoods in a row, each around a better plan. Not measured.
    pub(crate) moves_max: usize,
}

/// Plans along an order of devices.
#[derive(Debug)]
pub(crate) struct OrderTuning {
    /// Orders besides those of the better plans that are found. Corridors that allow 2 to 5 places
    /// out of order or any unused device were 3 to 10 times as slow, with plans no better
    /// (aeaeebb).
    pub(crate) orders_max: usize,
    /// Done on the plans of an order: a tenth of a second for 64 devices; on 128x64 edge sites the
    /// gap after 60 s fell from 1.27 to 0.66 % (aeaeebb).
    pub(crate) round: Round,
}

/// Branch and bound.
#[derive(Debug)]
pub(crate) struct TreeTuning {
    /// What a node does, by how often it was left open with nothing to decide: an undecided node is
    /// split, one whose paths differ in formats only needs a finer grid or more labels (e084cd3).
    /// Not measured one by one.
    pub(crate) efforts: [Round; 4],
    /// Shares of a mixture nearer to 0 or 1 than this are as good as decided. Not measured.
    pub(crate) decided_share: f64,
}

/// Free placement, several models.
#[derive(Debug)]
pub(crate) struct JointTuning {
    /// Rounds until the question is left open (1c8e7b5). Climbs were not made longer when those of
    /// contiguous placement were (aeaeebb). Not measured.
    pub(crate) rounds: [JointRound; 5],
    /// One part of the time in so many for a contiguous plan to start from. Not measured.
    pub(crate) contiguous_share: u32,
    /// Of the solver's labels, one in so many: a label here also holds what every device has spent.
    /// Not measured.
    pub(crate) label_share: usize,
    /// New labels up to which a layer is not thinned before it is complete. Not measured.
    pub(crate) crowding: Crowding,
    /// Labels of its kind that a label is compared with, the worst bounds first: these are the most
    /// alike. Not measured.
    pub(crate) compared_max: usize,
}

/// Corridors around the best plan of free placement.
#[derive(Debug)]
pub(crate) struct CorridorTuning {
    /// Layers by which a run may begin sooner or end later, at first. Not measured.
    pub(crate) around: usize,
    /// Done in a corridor. On two instances where HiGHS had better plans after 60 s (0.67 % each),
    /// 25.60 to 25.35 ms (HiGHS 25.43) and 48.58 to 48.16 (48.26), in half a second; windows of all
    /// devices over 6 to 16 layers gained 0 to 0.8 %, the whole at other prices 0.3 % on one
    /// (0be4470).
    pub(crate) round: JointRound,
    /// Labels that corridors may extend, times those that were extended before: without a limit,
    /// proofs of small instances took up to ten times as long (0.37 to 4.4 s on one); with it, 0.5
    /// to 2 times (0217faf).
    pub(crate) labels_factor: u64,
}

/// The least bottleneck.
#[derive(Debug)]
pub(crate) struct BottleneckTuning {
    /// What is tried for one cycle time before others are tried: a few cycle times near the optimum
    /// take nearly all time, and those around them say where it is (024b27a). Not measured.
    pub(crate) efforts: [CycleEffort; 4],
    /// Devices whose sets are enumerated where formats are given: 2^24 numbers of two bytes. 24
    /// devices x 82 layers of Llama-3.1-70B take 0.1 to 3 s (5c86840).
    pub(crate) enumerated_devices_max: usize,
}

/// One cycle time, run by run. Set as a whole when the method came (81908c4): 24 distinct devices
/// with 82 layers of 6 formats, 11 % open after 20 s before, are proven in 2.6 s of CPU time, 24
/// devices of 4 classes (33 % open) in 0.3 s. Not measured one by one.
#[derive(Debug)]
pub(crate) struct CycleTuning {
    /// By effort: what is done, one after the other.
    pub(crate) searches: [RunSearch; 4],
    /// Evaluations of a climb, and more for each device's price.
    pub(crate) evaluations: usize,
    pub(crate) evaluations_per_device: usize,
    /// The first proximity: a device that is visited twice is priced at this share of the budget.
    pub(crate) proximity: f64,
    /// The gain that the model must predict, relative to the budget, for the climb to go on.
    pub(crate) predicted_gain_min: f64,
    /// Rows that ng-sets may grow to.
    pub(crate) rows_max: usize,
    /// Labels up to which those of a number of layers are not thinned before their turn, times the
    /// width.
    pub(crate) crowd: usize,
    /// Labels on a device that another one is compared with, the cheapest.
    pub(crate) compared_max: usize,
    /// Ways to hold a run that all fronts hold together, 32 bytes each: 512 MB.
    pub(crate) ways_max: usize,
    /// Ways of one front at least, and at most.
    pub(crate) front_min: usize,
    pub(crate) front_max: usize,
}

/// Certificates: climbs only.
#[derive(Debug)]
pub(crate) struct CertificateTuning {
    /// For a certificate that is written to a file (bedb8e9). Not measured.
    pub(crate) thorough: [DualRound; 3],
    /// For a second opinion in milliseconds: the first climb, on a coarse grid, so on any instance
    /// (40bddcd).
    pub(crate) brief: [DualRound; 3],
    /// Table values per layer and device: half of what the checker allows.
    pub(crate) values_per_place: usize,
    /// Table values of a second opinion: 4 MB. Not measured.
    pub(crate) brief_values_max: usize,
}

/// Rounds before branching.
pub(crate) const ROUNDS: usize = 4;
/// Relaxations besides the one at the best prices.
pub(crate) const OTHER_PRICES: usize = 4;

/// The tuning in use.
pub(crate) static TUNING: Tuning = Tuning {
    solver: SolverTuning { start_share: 10, limit_share: 4 },
    grid: GridTuning { unit_trials: 64 },
    ascent: AscentTuning { predicted_gain_min: 2e-5, proximity: 0.02 },
    dual: DualTuning {
        first_evaluations_per_device: 3,
        table_values_max: 8_000_000,
        growth_values_max: 6_000_000_000,
        gain_min: 1e-4,
        guessed_target: 1.1,
    },
    labels: LabelTuning {
        crowding: Crowding { labels_min: 1 << 12, widths: 3 },
        kinds_compared_max: 1_000,
        other_loss_prices: [0.88, 1.14, 0.7, 1.5],
        traces_max: 64_000_000,
        values_per_label: 2_000,
        balanced_min: 1_000,
        balanced_max: 100_000,
        estimate_factor: 2.0,
    },
    contiguous: ContiguousTuning {
        rounds: [
            Round {
                dual: DualRound { steps: 64, evaluations: 90, growths: 0 },
                beam: Beam::Narrow { per_layer: 100, per_kind: 10 },
            },
            Round {
                dual: DualRound { steps: 256, evaluations: 120, growths: 12 },
                beam: Beam::Narrow { per_layer: 1_000, per_kind: 50 },
            },
            Round {
                dual: DualRound { steps: 256, evaluations: 90, growths: 12 },
                beam: Beam::Narrow { per_layer: 4_000, per_kind: 100 },
            },
            Round {
                dual: DualRound { steps: 1024, evaluations: 90, growths: 12 },
                beam: Beam::Narrow { per_layer: 10_000, per_kind: 200 },
            },
        ],
    },
    rins: RinsTuning {
        around: 3,
        round: Round {
            dual: DualRound { steps: 1024, evaluations: 20, growths: 2 },
            beam: Beam::Narrow { per_layer: 4_000, per_kind: 100 },
        },
        moves_max: 4,
    },
    order: OrderTuning {
        orders_max: 3,
        round: Round {
            dual: DualRound { steps: 1024, evaluations: 20, growths: 0 },
            beam: Beam::Wide { per_layer: 2_000 },
        },
    },
    tree: TreeTuning {
        efforts: [
            Round {
                dual: DualRound { steps: 1024, evaluations: 20, growths: 3 },
                beam: Beam::Balanced,
            },
            Round {
                dual: DualRound { steps: 4096, evaluations: 20, growths: 3 },
                beam: Beam::Balanced,
            },
            Round {
                dual: DualRound { steps: 4096, evaluations: 20, growths: 3 },
                beam: Beam::Wide { per_layer: 100_000 },
            },
            Round {
                dual: DualRound { steps: 16_384, evaluations: 40, growths: 3 },
                beam: Beam::Unlimited,
            },
        ],
        decided_share: 0.05,
    },
    joint: JointTuning {
        rounds: [
            JointRound {
                dual: DualRound { steps: 64, evaluations: 30, growths: 0 },
                per_layer: Some(200),
            },
            JointRound {
                dual: DualRound { steps: 256, evaluations: 40, growths: 6 },
                per_layer: Some(2_000),
            },
            JointRound {
                dual: DualRound { steps: 256, evaluations: 30, growths: 6 },
                per_layer: Some(10_000),
            },
            JointRound {
                dual: DualRound { steps: 1024, evaluations: 30, growths: 6 },
                per_layer: Some(50_000),
            },
            JointRound {
                dual: DualRound { steps: 4096, evaluations: 30, growths: 6 },
                per_layer: None,
            },
        ],
        contiguous_share: 5,
        label_share: 4,
        crowding: Crowding { labels_min: 1 << 16, widths: 2 },
        compared_max: 300,
    },
    hosts: HOSTS,
    crowd: CROWD,
    corridor: CorridorTuning {
        around: 2,
        round: JointRound {
            dual: DualRound { steps: 1024, evaluations: 40, growths: 4 },
            per_layer: Some(5_000),
        },
        labels_factor: 4,
    },
    bottleneck: BottleneckTuning {
        efforts: [
            CycleEffort { run_searches: 1, rounds: 0, nodes: Some(0) },
            CycleEffort { run_searches: 2, rounds: 2, nodes: Some(0) },
            CycleEffort { run_searches: 3, rounds: ROUNDS, nodes: Some(5) },
            CycleEffort { run_searches: 4, rounds: ROUNDS, nodes: None },
        ],
        enumerated_devices_max: 24,
    },
    cycle: CycleTuning {
        searches: [
            RunSearch { labels: 300, climbs: 1 },
            RunSearch { labels: 3_000, climbs: 3 },
            RunSearch { labels: 30_000, climbs: 6 },
            RunSearch { labels: 300_000, climbs: 12 },
        ],
        evaluations: 30,
        evaluations_per_device: 2,
        proximity: 0.02,
        predicted_gain_min: 1e-5,
        rows_max: 4_000,
        crowd: 4,
        compared_max: 1_000,
        ways_max: 16_000_000,
        front_min: 64,
        front_max: 4_096,
    },
    certificate: CertificateTuning {
        thorough: [
            DualRound { steps: 64, evaluations: 40, growths: 4 },
            DualRound { steps: 256, evaluations: 40, growths: 8 },
            DualRound { steps: 1024, evaluations: 30, growths: 4 },
        ],
        brief: [
            DualRound { steps: 16, evaluations: 20, growths: 1 },
            DualRound { steps: 64, evaluations: 40, growths: 3 },
            DualRound { steps: 256, evaluations: 20, growths: 2 },
        ],
        values_per_place: 1 << 17,
        brief_values_max: 1 << 20,
    },
};
