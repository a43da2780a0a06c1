//! Hard problems of the literature, written as questions, with answers that are known.

use edgeplan_families::reductions::{
    Agents, Bins, CostSet, Costs, Nodes, Reduced, Reduction, Shape, Wanted,
};
use edgeplan_files::InputError;
use edgeplan_records::known::{ANSWER, WITHIN};
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::keys::{Few, List};
use super::{Case, Source, parameters};

/// What a bin holds, if nothing is said.
const CAPACITY: u64 = 1000;

/// The answer that an instance is drawn with.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum AnswerKey {
    /// There is a solution: one was planted.
    Yes,
    /// There is none: residues forbid it.
    No,
    /// Not known.
    Open,
}

impl AnswerKey {
    fn wanted(self) -> Wanted {
        match self {
            Self::Yes => Wanted::Yes,
            Self::No => Wanted::No,
            Self::Open => Wanted::Open,
        }
    }
}

/// What an item of a packing becomes.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ItemsKey {
    /// A model of one layer, on devices.
    #[default]
    Models,
    /// A model of one layer, on hosts of two memories each.
    Hosts,
    /// A layer of one model that may come back to a device.
    Layers,
    /// A layer of one model on one host that has all memories.
    Host,
}

/// Keys of `bin-packing` and `three-partition`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BinsKeys {
    /// Bins to fill.
    bins: List<usize>,
    /// Answers to draw instances with.
    answer: List<AnswerKey>,
    /// Seeds.
    seeds: List<u64>,
    /// What an item becomes.
    #[serde(default)]
    items: ItemsKey,
    /// What a bin holds; 1000 if none.
    capacity: Option<u64>,
    /// Room to spare.
    #[serde(default)]
    slack_permille: Few,
}

/// Keys of `multiple-knapsack`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KnapsackKeys {
    /// Knapsacks to fill.
    knapsacks: List<usize>,
    /// Answers to draw instances with.
    answer: List<AnswerKey>,
    /// Seeds.
    seeds: List<u64>,
    /// What a knapsack holds; 1000 if none.
    capacity: Option<u64>,
}

/// Keys of `partition`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PartitionKeys {
    /// Items, layers of one model.
    items: List<usize>,
    /// Bits of their sizes.
    bits: List<u64>,
    /// Answers to draw instances with.
    answer: List<AnswerKey>,
    /// Seeds.
    seeds: List<u64>,
}

/// Keys of `generalized-assignment`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AssignmentKeys {
    /// Requests.
    requests: List<usize>,
    /// Servers.
    servers: List<usize>,
    /// Answers to draw instances with.
    answer: List<AnswerKey>,
    /// Seeds.
    seeds: List<u64>,
}

/// How weights and costs of generalized assignment are drawn.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum CostSetKey {
    /// Independent: as the sets `gapc` of the OR-Library.
    C,
    /// What weighs little costs much: as `gapd`.
    D,
}

/// Keys of `gap`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CostsKeys {
    /// Kinds of weights and costs.
    set: List<CostSetKey>,
    /// Requests, which are the items.
    requests: List<usize>,
    /// Servers, which are the agents.
    servers: List<usize>,
    /// Seeds.
    seeds: List<u64>,
}

/// Keys of `multiple-choice-knapsack`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ChoiceKeys {
    /// Requests.
    requests: List<usize>,
    /// Variants of each request's service.
    variants: List<usize>,
    /// Answers to draw instances with.
    answer: List<AnswerKey>,
    /// Seeds.
    seeds: List<u64>,
}

/// Keys of `two-resource-packing`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NodesKeys {
    /// Nodes to fill; of one node, half of the requests can be served at most.
    nodes: List<usize>,
    /// Requests of a full node.
    each: List<usize>,
    /// Answers to draw instances with.
    answer: List<AnswerKey>,
    /// Seeds.
    seeds: List<u64>,
    /// Tokens that a node's uplink takes; 1000 if none.
    capacity: Option<u64>,
}

impl BinsKeys {
    pub(super) fn cases(&self, three: bool) -> Result<Vec<Case>, InputError> {
        let (word, shape) = match self.items {
            ItemsKey::Models => ("models", Shape::Models),
            ItemsKey::Hosts => ("hosts", Shape::Hosts),
            ItemsKey::Layers => ("layers", Shape::Layers),
            ItemsKey::Host => ("host", Shape::Host),
        };
        let family = if three { "three-partition" } else { "bin-packing" };
        let capacity = self.capacity.unwrap_or(CAPACITY);
        let product = iproduct!(
            self.bins.each(),
            self.slack_permille.each(),
            self.answer.each(),
            self.seeds.each()
        );
        let case = |(&bins, slack, answer, &seed): (&usize, Option<u64>, &AnswerKey, &u64)| {
            let slack_permille = slack.unwrap_or(0);
            let drawn = Bins { bins, capacity, slack_permille, wanted: answer.wanted(), seed };
            let reduction = match three {
                true => Reduction::ThreePartition(drawn, shape),
                false => Reduction::BinPacking(drawn, shape),
            };
            let own = [("bins", bins as u64), ("capacity", capacity), ("slack", slack_permille)];
            let slack = slack.map_or(String::new(), |permille| format!("-slack-{permille}"));
            let stem = format!("{family}-{word}-{bins}x{capacity}{slack}");
            case(&stem, seed, reduction, &format!("{family}-{word}"), own)
        };
        product.map(case).collect()
    }
}

impl KnapsackKeys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let capacity = self.capacity.unwrap_or(CAPACITY);
        let product = iproduct!(self.knapsacks.each(), self.answer.each(), self.seeds.each());
        let case = |(&bins, answer, &seed): (&usize, &AnswerKey, &u64)| {
            let wanted = answer.wanted();
            let drawn = Bins { bins, capacity, slack_permille: 0, wanted, seed };
            let own = [("bins", bins as u64), ("capacity", capacity), ("items", 6 * bins as u64)];
            let stem = format!("multiple-knapsack-{bins}x{capacity}");
            let reduction = Reduction::MultipleKnapsack(drawn);
            case(&stem, seed, reduction, "multiple-knapsack", own)
        };
        product.map(case).collect()
    }
}

impl PartitionKeys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let product =
            iproduct!(self.items.each(), self.bits.each(), self.answer.each(), self.seeds.each());
        let case = |(&items, &bits, answer, &seed): (&usize, &u64, &AnswerKey, &u64)| {
            let reduction = Reduction::Partition { items, bits, wanted: answer.wanted(), seed };
            // Of random sizes, one bit for each item is where solutions begin to be rare.
            let per_item = 100 * bits / items.max(1) as u64;
            let own = [("items", items as u64), ("bits", bits), ("bits-percent", per_item)];
            case(&format!("partition-{items}x{bits}"), seed, reduction, "partition", own)
        };
        product.map(case).collect()
    }
}

impl AssignmentKeys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let product = iproduct!(
            self.requests.each(),
            self.servers.each(),
            self.answer.each(),
            self.seeds.each()
        );
        let case = |(&items, &agents, answer, &seed): (&usize, &usize, &AnswerKey, &u64)| {
            let drawn = Agents { items, agents, ways: 1, wanted: answer.wanted(), seed };
            let own = [("requests", items as u64), ("servers", agents as u64), ("variants", 1)];
            let (reduction, family) = (Reduction::Assignment(drawn), "generalized-assignment");
            case(&format!("{family}-{items}x{agents}"), seed, reduction, family, own)
        };
        product.map(case).collect()
    }
}

impl CostsKeys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let product = iproduct!(
            self.set.each(),
            self.servers.each(),
            self.requests.each(),
            self.seeds.each()
        );
        let case = |(set, &agents, &items, &seed): (&CostSetKey, &usize, &usize, &u64)| {
            let (family, set) = match set {
                CostSetKey::C => ("gap-c", CostSet::C),
                CostSetKey::D => ("gap-d", CostSet::D),
            };
            let own = [("requests", items as u64), ("servers", agents as u64), ("variants", 1)];
            let reduction = Reduction::Costs(Costs { set, items, agents, seed });
            case(&format!("{family}-{items}x{agents}"), seed, reduction, family, own)
        };
        product.map(case).collect()
    }
}

impl ChoiceKeys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let product = iproduct!(
            self.requests.each(),
            self.variants.each(),
            self.answer.each(),
            self.seeds.each()
        );
        let case = |(&items, &ways, answer, &seed): (&usize, &usize, &AnswerKey, &u64)| {
            let drawn = Agents { items, agents: 1, ways, wanted: answer.wanted(), seed };
            let own = [("requests", items as u64), ("servers", 1), ("variants", ways as u64)];
            let (reduction, family) = (Reduction::Assignment(drawn), "multiple-choice-knapsack");
            case(&format!("{family}-{items}x{ways}"), seed, reduction, family, own)
        };
        product.map(case).collect()
    }
}

impl NodesKeys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let capacity = self.capacity.unwrap_or(CAPACITY);
        let product =
            iproduct!(self.nodes.each(), self.each.each(), self.answer.each(), self.seeds.each());
        let case = |(&nodes, &each, answer, &seed): (&usize, &usize, &AnswerKey, &u64)| {
            let drawn = Nodes { nodes, each, capacity, wanted: answer.wanted(), seed };
            let requests = (nodes.max(2) * each) as u64;
            let own = [("nodes", nodes as u64), ("requests", requests), ("capacity", capacity)];
            let stem = format!("two-resource-packing-{nodes}x{each}x{capacity}");
            let reduction = Reduction::TwoResources(drawn);
            case(&stem, seed, reduction, "two-resource-packing", own)
        };
        product.map(case).collect()
    }
}

/// The case, with what is known of it among its parameters.
fn case<const N: usize>(
    stem: &str,
    seed: u64,
    reduction: Reduction,
    family: &str,
    own: [(&str, u64); N],
) -> Result<Case, InputError> {
    let answer = match reduction.wanted() {
        Wanted::Yes => "yes",
        Wanted::No => "no",
        Wanted::Open => "open",
    };
    let Reduced { known, .. } = reduction.draw()?;
    let mut parameters = parameters(family, own);
    parameters.insert(ANSWER.into(), answer.into());
    if let Some(known) = known {
        parameters.insert(WITHIN.into(), known.within.0.into());
    }
    Ok(Case {
        name: format!("{stem}-{answer}-{seed}"),
        parameters,
        source: Source::Reduction(Box::new(reduction)),
    })
}
