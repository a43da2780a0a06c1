//! A priced deployment: the problem, and how well its compute times are known.

use std::collections::HashMap;

use edgeplan_cost_model::Prediction;
use edgeplan_problem::deployment::{Deployment, DeviceId, Layer, LayerRole, Part, Plan};
use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::{Nanos, Problem as _};
use serde::Serialize;

/// Compute times of one option by device; `None` where the device cannot run it.
pub(crate) type Times = Vec<Option<Prediction>>;

/// A deployment problem with intervals and origins of its compute times.
///
/// Intervals are kept by model, role and recipe, not by position: a restriction that drops options,
/// or joins both ends of a chain into one layer, keeps the intervals of what is left
/// ([`PricedDeployment::restricted`]).
#[derive(Debug, Clone)]
pub struct PricedDeployment {
    /// The problem, with the median of each interval as its compute time.
    pub deployment: Deployment,
    /// Where the times of each device come from.
    origins: Vec<Origin>,
    /// By model: times of every option of every layer.
    times: Vec<HashMap<LayerRole, HashMap<Recipe, Times>>>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Where the times of a device come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether it was measured; published otherwise.
    pub(crate) measured: bool,
    pub(crate) text: String,
}

/// How well the compute time of a plan is known on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeConfidence {
    /// The device.
    pub device: String,
    /// `measured`, `published` or `estimated`, or one of the first two with `partly estimated`.
    pub basis: String,
    /// By whom or what.
    pub origin: String,
    /// Compute time of one request of every model.
    pub compute_ns: Nanos,
    /// Lower end of its interval; none where too little is known to say. All layers are off
    /// together: their ends are added.
    pub low_ns: Option<Nanos>,
    /// Upper end.
    pub high_ns: Option<Nanos>,
    /// Whether passes have more rows, or layers other sizes, than were measured.
    pub extrapolated: bool,
}

/// An end of the intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All times as short as they may be.
    Low,
    /// All times as long as they may be.
    High,
}

impl From<Deployment> for PricedDeployment {
    /// A problem of whose times nothing more is known, as from an instance file.
    fn from(deployment: Deployment) -> Self {
        let times = vec![HashMap::new(); deployment.models.len()];
        Self { deployment, origins: Vec::new(), times, notes: Vec::new() }
    }
}

impl PricedDeployment {
    /// `times` holds those of every option by [model][layer][option].
    pub(crate) fn new(
        deployment: Deployment,
        origins: Vec<Origin>,
        times: Vec<Vec<Vec<Times>>>,
        notes: Vec<String>,
    ) -> Self {
        let layer = |(layer, times): (&Layer, Vec<Times>)| {
            let recipes = layer.options.iter().map(|option| option.recipe.clone());
            (layer.role.clone(), recipes.zip(times).collect())
        };
        let models = deployment.models.iter().zip(times);
        let times = models
            .map(|(model, layers)| model.layers.iter().zip(layers).map(layer).collect())
            .collect();
        Self { deployment, origins, times, notes }
    }

    /// The same times on a restricted problem: fewer options, or both ends in one layer. Models and
    /// devices must stay.
    ///
    /// # Errors
    /// Those of `restrict`.
    pub fn restricted<E>(
        self,
        restrict: impl FnOnce(&Deployment) -> Result<Deployment, E>,
    ) -> Result<Self, E> {
        Ok(Self { deployment: restrict(&self.deployment)?, ..self })
    }

    /// Times of an option by device; `None` where nothing more is known than the problem says.
    fn times(&self, model: usize, role: &LayerRole, recipe: &Recipe) -> Option<Times> {
        let of = |role: &LayerRole, recipe: &Recipe| self.times[model].get(role)?.get(recipe);
        match (role, recipe) {
            (LayerRole::BothEnds, Recipe::Ends(ends)) => {
                let embedding = of(&Part::Embedding.into(), &ends[0])?;
                let head = of(&Part::Head.into(), &ends[1])?;
                let both = embedding.iter().zip(head);
                Some(both.map(|(first, last)| Some((*first)? + (*last)?)).collect())
            }
            (role, recipe) => of(role, recipe).cloned(),
        }
    }

    /// The problem with all times at one end of their intervals. Errors of one device are those of
    /// its rates, the same in every layer; those of several devices are taken to lie on the same
    /// side, which is the widest that their sum can be.
    pub fn at(&self, end: End) -> Deployment {
        self.at_each(&vec![end; self.deployment.devices.len()])
    }

    /// The problem with the times of each device at an end of its own.
    pub fn at_each(&self, ends: &[End]) -> Deployment {
        self.at_some(&ends.iter().copied().map(Some).collect::<Vec<_>>())
    }

    /// The same where some devices keep their middle times. Ends that are not known stay in the
    /// middle, too.
    pub fn at_some(&self, ends: &[Option<End>]) -> Deployment {
        let mut deployment = self.deployment.clone();
        for (index, model) in deployment.models.iter_mut().enumerate() {
            for layer in &mut model.layers {
                for option in &mut layer.options {
                    let Some(known) = self.times(index, &layer.role, &option.recipe) else {
                        continue;
                    };
                    for ((time, interval), &end) in option.compute.iter_mut().zip(known).zip(ends) {
                        let Some((interval, end)) = interval.zip(end) else { continue };
                        let value = if end == End::Low { interval.low } else { interval.high };
                        *time = time.map(|_| value);
                    }
                }
            }
        }
        deployment
    }

    /// The devices whose times have bands, those of one origin together, as their errors are the
    /// same; and those whose times have none.
    pub fn groups(&self) -> (Vec<Vec<usize>>, Vec<usize>) {
        let (mut groups, mut unknown) = (Vec::<Vec<usize>>::new(), Vec::new());
        let devices = 0..self.deployment.devices.len();
        let [low, high] = [End::Low, End::High].map(|end| self.at(end));
        for device in devices {
            let total = |of: &Deployment| {
                let layers = of.models.iter().flat_map(|model| &model.layers);
                let options = layers.flat_map(|layer| &layer.options);
                let times = options.filter_map(|option| option.compute[device]);
                times.map(|time| u128::from(time.0)).fold(0, u128::saturating_add)
            };
            let unbounded = high.models.iter().flat_map(|model| &model.layers).any(|layer| {
                layer.options.iter().any(|option| option.compute[device] == Some(Nanos::MAX))
            });
            if total(&low) == total(&high) || unbounded {
                unknown.push(device);
                continue;
            }
            let alike =
                |group: &Vec<usize>| self.origins[group[0]].text == self.origins[device].text;
            match groups.iter().position(alike) {
                Some(index) => groups[index].push(device),
                None => groups.push(vec![device]),
            }
        }
        (groups, unknown)
    }

    /// Latency of each model under `plan` at both ends of the intervals; `None` if nothing is known
    /// of what the plan uses.
    pub fn latency(&self, plan: &Plan) -> Option<Vec<(Nanos, Nanos)>> {
        self.confidence(plan).iter().find(|device| device.low_ns.is_some())?;
        let ends = [End::Low, End::High].map(|end| self.at(end).evaluate(plan).account.models);
        Some(ends[0].iter().zip(&ends[1]).map(|(low, high)| (low.latency, high.latency)).collect())
    }

    /// How well the compute times of a plan are known, by device that it uses.
    pub fn confidence(&self, plan: &Plan) -> Vec<TimeConfidence> {
        let of = |device: DeviceId| {
            let mut times = Vec::new();
            for (index, assignments) in plan.models.iter().enumerate() {
                let layers = &self.deployment.models[index].layers;
                for (assignment, layer) in assignments.iter().zip(layers) {
                    if assignment.device == device {
                        let recipe = &layer.options[assignment.option.index()].recipe;
                        let time = self.times(index, &layer.role, recipe)?[device.index()]?;
                        // Look-ups are not what was published of a device.
                        times.push((time, layer.role != Part::Embedding.into()));
                    }
                }
            }
            (!times.is_empty()).then(|| self.on(device, &times))
        };
        self.deployment.device_ids().filter_map(of).collect()
    }

    /// How well these times, all on one device, are known; with each whether it is of products.
    fn on(&self, device: DeviceId, times: &[(Prediction, bool)]) -> TimeConfidence {
        let Origin { measured, text } = &self.origins[device.index()];
        let products = times.iter().filter(|(_, products)| *products).count();
        let estimated = times.iter().filter(|(time, _)| time.estimated).count();
        let known = if *measured { "measured" } else { "published" };
        let sum: Prediction = times.iter().map(|(time, _)| *time).sum();
        let bounded = sum.high < Nanos::MAX;
        TimeConfidence {
            device: self.deployment.device(device).name.clone(),
            basis: match estimated {
                some if some >= products && !measured => "estimated".into(),
                0 => known.into(),
                _ => format!("{known}, partly estimated"),
            },
            origin: text.clone(),
            compute_ns: sum.median,
            low_ns: bounded.then_some(sum.low),
            high_ns: bounded.then_some(sum.high),
            extrapolated: sum.extrapolated,
        }
    }
}
