//! What plans expect of a model on one machine.

use edgeplan_files::InputError;
use edgeplan_machines::cluster::{Cluster, ClusterDevice};
use edgeplan_model::ModelSpec;
use edgeplan_pricing::engine::EngineTraits;
use edgeplan_pricing::workload::{Quality, Workload};
use edgeplan_pricing::{End, PhaseTimes, PricedDeployment, price};
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceAccount, DeviceId, OptionId, Plan,
};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos, Problem as _};

const NAME: &str = "this machine";

/// A predicted time, and the ends of its interval where there is one.
///
/// See [`expectation`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predicted {
    /// The middle of the interval.
    pub median: Nanos,
    /// Its ends.
    pub ends: Option<(Nanos, Nanos)>,
}

/// What is expected of a model on a machine.
///
/// See [`expectation`] for an example.
#[derive(Debug)]
pub struct Expectation {
    /// By layer.
    pub layers: Vec<PhaseTimes<Predicted>>,
    /// All layers.
    pub passes: PhaseTimes<Predicted>,
    /// What the model takes of the machine.
    pub account: DeviceAccount,
    /// Weights, cache and activations.
    pub memory: Bytes,
    /// Where the times come from.
    pub origin: String,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Predicts the time of a prompt of that many tokens, of each of the tokens generated after it, and
/// memory, on the machine of that profile (`catalog:NAME` or a file). The engine keeps its cache in
/// f32.
///
/// ```
/// let model = edgeplan_model::load("catalog:tinyllama-1.1b")?;
/// let expected = edgeplan::expectation(&model, "catalog:rtx-3090-24", 128, 32)?;
/// assert_eq!(expected.layers.len(), model.layers.len());
/// println!("first token in {}, {}", expected.passes.prompt.median, expected.memory);
/// # Ok::<(), edgeplan::Error>(())
/// ```
///
/// # Errors
/// A profile that cannot be read, or a model that cannot be priced on it.
pub fn expectation(
    spec: &ModelSpec,
    profile: &str,
    prompt: u32,
    generate: u32,
) -> Result<Expectation, InputError> {
    let cluster = Cluster::single(NAME, NAME, ClusterDevice::new(profile));
    let priced = |generate: u32| {
        let (quality, kv) = (Quality::Any, Format::F32);
        let (context, engine) = (Some(prompt + generate), EngineTraits::REFERENCE);
        let workload = Workload {
            prompt,
            generate,
            context,
            quality: Some(quality),
            kv: kv.into(),
            engine,
            ..Workload::default()
        };
        price(std::slice::from_ref(spec), &cluster, &workload)
    };
    let (whole, first) = (priced(generate)?, priced(0)?);
    let everything = Assignment { device: DeviceId(0), option: OptionId(0) };
    let plan = Plan::single(vec![everything; spec.layers.len()]);
    let evaluation = whole.deployment.evaluate(&plan);
    let account = evaluation.account.devices[0];
    let mut notes = whole.notes.clone();
    notes.extend(evaluation.violations.iter().map(|broken| format!("no plan allows it: {broken}")));
    let confidence = whole.confidence(&plan);
    let measured = confidence.iter().any(|device| device.low_ns.is_some());
    if confidence.iter().any(|device| device.extrapolated) {
        notes.push(
            "some of it lies outside of what was measured: predictions are extrapolated".into(),
        );
    }
    let origin = confidence.iter().map(|device| format!("{} ({})", device.origin, device.basis));
    let times = Ends { whole: ends(&whole), first: ends(&first), generate, measured };
    let layers: Vec<_> = (0..spec.layers.len()).map(|layer| times.of(&[layer])).collect();
    let all: Vec<usize> = (0..spec.layers.len()).collect();
    Ok(Expectation {
        passes: times.of(&all),
        layers,
        memory: account.weights + account.kv + account.activations,
        account,
        origin: origin.collect(),
        notes,
    })
}

/// The problem with times in the middle of their intervals, at their lower and their upper ends.
fn ends(priced: &PricedDeployment) -> [Deployment; 3] {
    [priced.deployment.clone(), priced.at(End::Low), priced.at(End::High)]
}

/// PhaseTimes of a prompt with its tokens, and of the prompt alone.
struct Ends {
    whole: [Deployment; 3],
    first: [Deployment; 3],
    generate: u32,
    measured: bool,
}

impl Ends {
    /// Of these layers together.
    fn of(&self, layers: &[usize]) -> PhaseTimes<Predicted> {
        let sum = |deployment: &Deployment| -> Nanos {
            let time = |&layer: &usize| deployment.models[0].layers[layer].options[0].compute[0];
            layers.iter().filter_map(time).sum()
        };
        let [middle, low, high] = self.first.each_ref().map(sum);
        let whole = self.whole.each_ref().map(sum);
        // Every end is a sum over passes, so that what comes after the prompt is a difference.
        let [each, each_low, each_high] = [(whole[0], middle), (whole[1], low), (whole[2], high)]
            .map(|(whole, first)| match whole {
                Nanos::MAX => Nanos::MAX,
                _ => Nanos(whole.saturating_sub(first).0 / u64::from(self.generate.max(1))),
            });
        let predicted = |median, low, high| Predicted {
            median,
            ends: (self.measured && high < Nanos::MAX).then_some((low, high)),
        };
        PhaseTimes {
            prompt: predicted(middle, low, high),
            token: (self.generate > 0).then(|| predicted(each, each_low, each_high)),
        }
    }
}
