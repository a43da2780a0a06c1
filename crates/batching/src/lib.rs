//! Batching as a person writes it: radio, nodes and requests in physical units, and the problem
//! built from them.
//!
//! [`Scenario`] is the file, [`paper`] the published settings, [`traffic`] seeded requests.

pub mod paper;
mod radio;
pub mod traffic;
mod wire;

use edgeplan_problem::batching::{
    Batching, Channel, Epoch, MILLION, Node, NodeFormat, Request, Work,
};
use edgeplan_problem::{Bytes, Nanos};

pub use wire::{Phases, WireFormat, WireNode, WireRequest};

use edgeplan_files::{InputError, parse_table};
use edgeplan_model::{ModelSpec, TensorClass};
use wire::{check, finite};

/// A `batch.toml`: the requests that wait at each edge node, and the length of an epoch.
pub type Scenario = wire::Scenario;

impl Scenario {
    /// Parses `batch.toml`; what it leaves out keeps its default.
    ///
    /// # Errors
    /// Unknown keys with the nearest known one, wrong units, numbers out of range.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let scenario: Self = parse_table(file, text)?;
        check(file, &scenario)?;
        Ok(scenario)
    }

    /// The text of its file.
    ///
    /// # Errors
    /// When a number of it cannot be written.
    pub fn to_toml(&self) -> Result<String, InputError> {
        toml::to_string(self).map_err(|error| InputError::file("batch.toml", error.to_string()))
    }

    /// The question; `file` is only named in errors.
    ///
    /// # Errors
    /// A model that is not known, or magnitudes that cannot be counted.
    pub fn build(&self, file: &str) -> Result<Batching, InputError> {
        check(file, self)?;
        let nodes = self.node.iter().map(|(name, node)| {
            let spec = edgeplan_model::load(&node.model)?;
            Ok(build_node(name, node, &spec))
        });
        let problem = Batching {
            name: self.name.clone(),
            epoch: Epoch {
                uplink: Nanos(self.epoch.uplink.0),
                compute: Nanos(self.epoch.compute.0),
                downlink: Nanos(self.epoch.downlink.0),
            },
            token_bits: self.token_bits,
            nodes: nodes.collect::<Result<_, InputError>>()?,
            requests: self.requests(&self.request),
        };
        problem.checked().map_err(|error| InputError::file(file, error.to_string()))
    }

    /// Requests at this scenario's nodes, whose numbers are in the ranges that a file's are.
    pub fn requests(&self, requests: &[WireRequest]) -> Vec<Request> {
        let channels = |request: &WireRequest| {
            let nodes = self.node.iter();
            nodes.map(|(name, node)| self.channel(request, name, node)).collect()
        };
        let request = |(index, request): (usize, &WireRequest)| Request {
            name: request.name.clone().unwrap_or_else(|| format!("r{}", index + 1)),
            prompt: request.prompt,
            output: request.output,
            deadline: Nanos(request.deadline.0),
            waited: Nanos(request.waited.0),
            accuracy_ppm: ppm(request.accuracy),
            weight: request.weight,
            channels: channels(request),
        };
        requests.iter().enumerate().map(request).collect()
    }

    /// The channel between a user and a node; none where the file names no gain or hardly a bit
    /// passes.
    fn channel(&self, request: &WireRequest, name: &str, node: &WireNode) -> Option<Channel> {
        let gain = *request.gain_db.get(name)?;
        let rate = |mhz: f64, dbm: f64| {
            radio::bits_per_second(mhz * 1e6, dbm, gain, self.noise_dbm_per_hz)
        };
        let channel = Channel {
            uplink: rate(node.uplink_mhz, request.transmit_dbm),
            downlink: rate(node.downlink_mhz, node.transmit_dbm),
        };
        (channel.uplink > 0 && channel.downlink > 0).then_some(channel)
    }
}

/// A share of one in millionths.
fn ppm(share: f64) -> u32 {
    (share * MILLION as f64).round() as u32
}

fn build_node(name: &str, node: &WireNode, spec: &ModelSpec) -> Node {
    let counts = Counts::of(spec);
    let formats = if node.format.is_empty() { paper::formats() } else { node.format.clone() };
    let held = if node.embedding { 2 * counts.other } else { 0 };
    let scaled = |bytes: u64, factor: f64| (bytes as f64 * factor).ceil() as u64;
    let format = |format: &WireFormat| NodeFormat {
        name: format.name.clone(),
        weights: Bytes(scaled(2 * counts.matrices, format.memory_factor) + held),
        kv_per_token: Bytes(scaled(counts.kv_bytes, format.memory_factor)),
        time_ppm: ppm(format.time_factor),
        accuracy_ppm: (MILLION as f64 * (-format.kl).exp()).floor() as u32,
    };
    Node {
        name: name.into(),
        memory: Bytes(node.memory.0),
        flops: finite(node.tflops * 1e12),
        devices: node.devices,
        work: Work { per_token: 2 * counts.active, per_pair: counts.per_pair },
        formats: formats.iter().map(format).collect(),
    }
}

/// What of a model enters the cost model (papers' symbols: `h`, `h_f`, `L`).
struct Counts {
    /// Elements of the blocks' matrices: `L (4 h^2 + 2 h h_f)`.
    matrices: u64,
    /// Of those, what one token uses: less where there are experts.
    active: u64,
    /// All other parameters.
    other: u64,
    /// `4 L h`: operations per token and token that it looks at.
    per_pair: u64,
    /// Bytes of keys and values per token at 16 bits: `4 L h`.
    kv_bytes: u64,
}

impl Counts {
    fn of(spec: &ModelSpec) -> Self {
        let blocks = || spec.layers.iter().filter(|layer| layer.part.is_block());
        let tensors = || blocks().flat_map(|layer| &layer.tensors).filter(|t| t.rows > 1);
        let matrices = tensors().map(|tensor| tensor.elements()).sum();
        let active = tensors().map(|tensor| match tensor.experts {
            Some((used, of)) => tensor.elements() / of.max(1) * used,
            None => tensor.elements(),
        });
        let width = tensors().filter(|tensor| tensor.class == TensorClass::AttnOutput);
        Self {
            matrices,
            active: active.sum(),
            other: spec.parameters().saturating_sub(matrices),
            per_pair: 4 * width.map(|tensor| tensor.row_len).sum::<u64>(),
            kv_bytes: 2 * blocks().map(|layer| layer.kv_elements()).sum::<u64>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_problem::batching::{FormatId, NodeId};

    /// Figures that follow from the published shapes and the paper's formulas.
    #[test]
    fn the_papers_models_cost_what_its_formulas_say() {
        // model, GFLOP per token, GB of 16-bit blocks, kB of KV per token, seconds for (128, 128)
        // and (512, 512) on 26.6 TFLOP/s
        let cases = [
            ("bloom-3b", 4.72, 4.72, 307.0, 0.046, 0.189),
            ("bloom-7b1", 12.08, 12.08, 492.0, 0.117, 0.477),
            ("opt-13b", 25.17, 25.17, 819.0, 0.242, 0.988),
        ];
        for (name, gflop, gb, kv, short, long) in cases {
            let setting = paper::Setting { formats: paper::formats(), ..paper::Setting::of(name) };
            let scenario = setting.scenario(1, 0);
            let problem = scenario.build("test").unwrap();
            let node = &problem.nodes[0];
            let close = |ours: f64, theirs: f64| (ours - theirs).abs() < 0.0005 + 0.002 * theirs;
            assert!(close(node.work.per_token as f64 / 1e9, gflop), "{name}");
            assert!(close(node.formats[0].weights.as_f64() / 1e9, gb), "{name}");
            assert!(close(node.formats[0].kv_per_token.as_f64() / 1e3, kv), "{name}");
            for (tokens, seconds) in [(128, short), (512, long)] {
                let work = node.work.of(tokens, tokens);
                let time = problem.time(NodeId(0), FormatId(0), work).as_f64() / 1e9;
                assert!(close(time, seconds), "{name}: {time} s, not {seconds} s");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let scenario = paper::Setting::of("bloom-3b").scenario(9, 4);
        let text = scenario.to_toml().unwrap();
        assert_eq!(Scenario::parse("b.toml", &text).unwrap(), scenario);
        assert_eq!(scenario.build("b.toml").unwrap().requests.len(), 9);
    }

    #[test]
    fn every_wrong_number_is_named() {
        let text = paper::Setting::of("bloom-3b").scenario(2, 0).to_toml().unwrap();
        let cases = [
            ("token-bits = 16", "token-bits = 0", "b.toml: token-bits: 0; "),
            ("tflops = 26.6", "tflops = -1.0", "b.toml: node.edge.tflops: -1.0; "),
            ("tflops = 26.6", "tflops = nan", "b.toml: node.edge.tflops: NaN; "),
            ("tflops = 26.6", "tflop = 26.6", "did you mean `tflops`?"),
            ("devices = 20", "devices = 0", "b.toml: node.edge.devices: 0; "),
            (
                "uplink = \"250 ms\"",
                "uplink = \"9 weeks\"",
                "b.toml: epoch.uplink: `9 weeks`: a time",
            ),
            ("catalog:bloom-3b", "catalog:bloom", "catalog:bloom: no such model"),
            ("accuracy = ", "accuracy = 7", "b.toml: request[0].accuracy: 70"),
            ("prompt = ", "prompt = 30000", "b.toml: request[0].prompt: 30000"),
            ("edge = ", "egde = ", "b.toml: request[0].gain-db.egde: there is no such node"),
        ];
        for (from, to, expected) in cases {
            assert!(text.contains(from), "{from} is not in\n{text}");
            let read = Scenario::parse("b.toml", &text.replacen(from, to, 1));
            let error = read.and_then(|scenario| scenario.build("b.toml")).unwrap_err();
            assert!(error.to_string().contains(expected), "{from} -> {to}: {error}");
        }
    }
}
