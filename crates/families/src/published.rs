//! Published cases: instances whose answer a paper states.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective, Placement,
};
use edgeplan_problem::{Bytes, Loss, Nanos};
use serde::{Deserialize, Serialize};

use edgeplan_files::quantity::Time;
use edgeplan_files::{InputError, parse_toml, within};
use edgeplan_model::LayerSpec;
use edgeplan_pricing::workload::Returns;

const VALUES: &str = include_str!("../../../bench-data/known/values.toml");
const PROFILE: &str = "bench-data/known/edgeshard-llama2-7b.csv";
const EDGESHARD: &str = include_str!("../../../bench-data/known/edgeshard-llama2-7b.csv");

/// A figure that a paper reports.
#[derive(Debug, Clone)]
pub struct PublishedFigure {
    /// What it is.
    pub what: String,
    /// The solver that computes it.
    pub solver: String,
    /// The instance that it is of.
    pub instance: Deployment,
    /// The testbed of that instance.
    pub case: EdgeShard,
    /// What the paper reports.
    pub published: Nanos,
    /// Whether the figure was read in the paper.
    pub evidence: Evidence,
    /// The paper.
    pub source: String,
}

/// How well a published figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Read in the paper.
    Read,
    /// Read in a summary or another implementation.
    SecondHand,
    /// Recalled, not checked against the paper's text.
    Recalled,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    value: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    what: String,
    solver: String,
    case: EdgeShard,
    published: Time,
    evidence: Evidence,
    source: String,
}

/// EdgeShard's testbed with Llama2-7B; the first AGX Orin is the source and holds the embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeShard {
    /// AGX Orin, at least one.
    pub agx: usize,
    /// Orin NX.
    pub nx: usize,
    /// What returns to the source.
    pub returns: Returns,
}

/// The figures that can be computed again.
///
/// # Errors
/// When the embedded files make no sense.
pub fn published_figures() -> Result<Vec<PublishedFigure>, InputError> {
    let values: Values = parse_toml("bench-data/known/values.toml", VALUES)?;
    let known = |value: Value| {
        Ok(PublishedFigure {
            what: value.what,
            solver: value.solver,
            instance: edgeshard(value.case, Objective::Latency)?,
            case: value.case,
            published: Nanos(value.published.0),
            evidence: value.evidence,
            source: value.source,
        })
    };
    values.value.into_iter().map(known).collect()
}

#[derive(Debug, Clone, Deserialize)]
struct ProfiledLayer {
    layer: u32,
    memory_micro_gib: u64,
    orin_nx_us: u64,
    agx_orin_us: u64,
    rtx_3090_us: u64,
}

/// A device type: name, usable memory in GiB, its column of the profile.
type Kind = (&'static str, u64, fn(&ProfiledLayer) -> u64);

const AGX: Kind = ("agx-orin", 29, |layer| layer.agx_orin_us);
const NX: Kind = ("orin-nx", 14, |layer| layer.orin_nx_us);
const RTX: Kind = ("rtx-3090", 22, |layer| layer.rtx_3090_us);

const SLOW_BITS_PER_US: u64 = 1;
const FAST_BITS_PER_US: u64 = 50;
const HIDDEN: u64 = 4096;
const VOCABULARY: u64 = 32_000;

/// One token of Llama2-7B in fp32 on EdgeShard's testbed (figures in `bench-data/known`).
///
/// # Errors
/// When there is no AGX Orin to be the source, or more machines than any family has.
pub fn edgeshard(case: EdgeShard, objective: Objective) -> Result<Deployment, InputError> {
    if case.agx == 0 {
        return Err(InputError::key("EdgeShard's testbed", "agx", "0; the source is one of them"));
    }
    for (key, count) in [("agx", case.agx), ("nx", case.nx)] {
        within("EdgeShard's testbed", key, count as u64, &(0..=1024))?;
    }
    let testbed = Testbed { model: "llama2-7b", hidden: HIDDEN, rows: profile()? };
    testbed.deployment(case, objective)
}

/// One token of Llama2-70B in fp32 on eleven AGX Orin and the RTX 3090, least latency. No
/// profile of that model was published: time and memory of the 7B model's layers grow here with the
/// parameters of a layer, the embedding's time with the length of a hidden state.
///
/// # Errors
/// When the embedded files make no sense.
pub fn edgeshard_70b(returns: Returns) -> Result<Deployment, InputError> {
    let small = edgeplan_model::load("catalog:llama-2-7b")?;
    let large = edgeplan_model::load("catalog:llama-2-70b")?;
    let block = |model: &edgeplan_model::ModelSpec| {
        let block = model.layers.iter().find(|layer| layer.part.is_block());
        block.map_or(1, parameters)
    };
    let (numerator, denominator) = (block(&large), block(&small));
    let rows = profile()?;
    let [embedding, blocks @ .., head] = rows.as_slice() else {
        return Err(InputError::file(PROFILE, "no embedding, blocks and head"));
    };
    let count = blocks.len() as u64;
    let mean = |column: fn(&ProfiledLayer) -> u64| blocks.iter().map(column).sum::<u64>() / count;
    let mean = ProfiledLayer {
        layer: 1,
        memory_micro_gib: mean(|row| row.memory_micro_gib),
        orin_nx_us: mean(|row| row.orin_nx_us),
        agx_orin_us: mean(|row| row.agx_orin_us),
        rtx_3090_us: mean(|row| row.rtx_3090_us),
    };
    let blocks = large.layers.iter().filter(|layer| layer.part.is_block());
    let blocks = blocks.map(|_| mean.scaled(numerator, denominator));
    let ends = |row: &ProfiledLayer| row.scaled(large.hidden, small.hidden);
    let rows = [ends(embedding)].into_iter().chain(blocks).chain([ends(head)]);
    let rows = rows.enumerate().map(|(index, row)| ProfiledLayer { layer: index as u32, ..row });
    let testbed = Testbed { model: "llama2-70b", hidden: large.hidden, rows: rows.collect() };
    testbed.deployment(EdgeShard { agx: 11, nx: 0, returns }, Objective::Latency)
}

fn parameters(layer: &LayerSpec) -> u64 {
    layer.tensors.iter().map(|tensor| tensor.rows * tensor.row_len).sum()
}

fn profile() -> Result<Vec<ProfiledLayer>, InputError> {
    let mut reader = csv::Reader::from_reader(EDGESHARD.as_bytes());
    let rows: Result<_, _> = reader.deserialize().collect();
    rows.map_err(|error| InputError::file(PROFILE, error.to_string()))
}

impl ProfiledLayer {
    fn scaled(&self, numerator: u64, denominator: u64) -> Self {
        let scaled = |amount: u64| {
            (u128::from(amount) * u128::from(numerator) / u128::from(denominator)) as u64
        };
        Self {
            layer: self.layer,
            memory_micro_gib: scaled(self.memory_micro_gib),
            orin_nx_us: scaled(self.orin_nx_us),
            agx_orin_us: scaled(self.agx_orin_us),
            rtx_3090_us: scaled(self.rtx_3090_us),
        }
    }
}

/// A profiled model.
struct Testbed {
    model: &'static str,
    hidden: u64,
    rows: Vec<ProfiledLayer>,
}

impl Testbed {
    fn deployment(&self, case: EdgeShard, objective: Objective) -> Result<Deployment, InputError> {
        let kinds = [vec![AGX; case.agx], vec![NX; case.nx], vec![RTX]].concat();
        let layers = self.rows.iter().map(|row| Layer {
            joined: false,
            role: format!("layer {}", row.layer).into(),
            options: vec![LayerOption {
                recipe: "f32".into(),
                bytes: Bytes(row.memory_micro_gib * (1 << 30) / 1_000_000),
                shared: None,
                loss: Loss::ZERO,
                compute: kinds.iter().map(|kind| Some(Nanos(1000 * (kind.2)(row)))).collect(),
            }],
            kv: Bytes::ZERO,
            pin: (row.layer == 0).then_some(DeviceId(0)),
            output: 0,
        });
        let answer = match case.returns {
            Returns::Token => 1,
            Returns::Logits => VOCABULARY,
        };
        let model = Model {
            name: self.model.into(),
            weight: 1,
            layers: layers.collect(),
            loss_max: None,
            activation: Bytes::ZERO,
            shared: Vec::new(),
            messages: vec![
                message(kinds.len(), 32 * self.hidden),
                message(kinds.len(), 32 * answer),
                Message { bytes: Bytes::ZERO, time: vec![Some(Nanos::ZERO); kinds.len().pow(2)] },
            ],
            enter: 2,
            leave: 1,
        };
        Deployment {
            hosts: Vec::new(),
            name: format!("edgeshard-{}-{}-{}", self.model, case.agx, case.nx),
            objective,
            placement: Placement::Contiguous,
            source: DeviceId(0),
            devices: kinds.iter().enumerate().map(|(index, kind)| device(index, kind)).collect(),
            models: vec![model],
            latency_max: None,
            bottleneck_max: None,
        }
        .checked()
        .map_err(|error| InputError::file(PROFILE, error.to_string()))
    }
}

fn device(index: usize, kind: &Kind) -> Device {
    Device {
        host: None,
        name: format!("{}-{index}", kind.0),
        memory: Bytes(kind.1 << 30),
        overhead: Bytes::ZERO,
        compute_max: None,
        traffic_max: None,
    }
}

/// A message of that many bits; the source is the first device, the cloud the last.
fn message(devices: usize, bits: u64) -> Message {
    let time = |from: usize, to: usize| match (from.min(to), from.max(to)) {
        (from, to) if from == to => 0,
        (0, to) if to == devices - 1 => bits * 1000 / SLOW_BITS_PER_US,
        _ => bits * 1000 / FAST_BITS_PER_US,
    };
    let pairs = (0..devices * devices).map(|pair| (pair / devices, pair % devices));
    Message {
        bytes: Bytes(bits / 8),
        time: pairs.map(|(from, to)| Some(Nanos(time(from, to)))).collect(),
    }
}
