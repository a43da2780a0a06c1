//! What a workload asks to be found before a plan is: the least loss, or the longest context, with
//! which every limit holds.
//!
//! Both are monotone: a plan for a loss budget is one for any larger budget, and a plan for a
//! context is one for any shorter context, because only the KV cache grows with it. So each is
//! found by halving, and what is proven infeasible on the way is the bound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use edgeplan_files::quantity::Fraction;
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::{Goal, Workload};
use edgeplan_problem::deployment::{Deployment, Layer, Model, Plan};
use edgeplan_problem::{Limits, Loss, Problem as _, Silent, Verdict, solve};
use edgeplan_what_if::{Exists, halved};
use serde::Serialize;

use crate::Error;
use crate::answer::{Phase, Progress, Task};
use crate::session::{Inputs, Origin, Session};

/// What was looked for.
///
/// See [`Session::resolved`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The least loss, in nano-units of the quality floor's measure.
    Loss,
    /// The longest context, in tokens.
    Context,
}

/// What was found before the plan.
///
/// See [`Session::resolved`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// What was looked for.
    pub aim: Aim,
    /// The best value with which a plan was found.
    pub value: u64,
    /// The best value that no proof excludes: at most `value` of a loss, at least of a context.
    pub bound: u64,
}

/// What was found before the plan. Names are stable keys.
#[derive(Serialize)]
#[serde(tag = "objective", rename_all = "kebab-case")]
pub(crate) enum SoughtKeys {
    Quality { loss: f64, bound: f64 },
    Context { tokens: u64, bound: u64 },
}

impl Sought {
    pub(crate) fn keys(self) -> SoughtKeys {
        let Self { aim, value, bound } = self;
        match aim {
            Aim::Loss => SoughtKeys::Quality { loss: nats(value), bound: nats(bound) },
            Aim::Context => SoughtKeys::Context { tokens: value, bound },
        }
    }
}

fn nats(loss: u64) -> f64 {
    loss as f64 / 1e9
}

/// What the objective looked for, and what is proven of it; none where it looked for nothing.
pub(crate) fn text(session: &Session) -> Option<String> {
    let Sought { aim, value, bound } = session.sought()?;
    let models = session.inputs().map_or(&[][..], |inputs| &inputs.models);
    let is_models_own = models.iter().any(|model| model.context_max == Some(value));
    let proof = match (aim, bound == value) {
        (Aim::Loss, true) => "no plan loses less".to_owned(),
        (Aim::Loss, false) => format!("no plan is below {:.6}", nats(bound)),
        (Aim::Context, _) if is_models_own => "all that the model was made for".into(),
        (Aim::Context, true) => "no plan has room for more".into(),
        (Aim::Context, false) => format!("no plan has room for more than {bound}"),
    };
    Some(match aim {
        Aim::Loss => format!("least loss: {:.6}, {proof}", nats(value)),
        Aim::Context => format!("longest context: {value} tokens, {proof}"),
    })
}

/// Contexts are tried in whole cells of llama.cpp's caches.
const CELLS: u64 = 256;
/// The longest context of a model that states none.
const CONTEXT_MAX: u64 = 1 << 20;

impl Session {
    /// The question with what its objective `quality` or `context` looks for filled in, and the
    /// time as what is left to minimise; any other question as it is. Where no value has a plan,
    /// the question is that of the easiest value, so that its diagnosis says what is in the way.
    /// Where the workload names several formats of the KV cache, that of the best plan is chosen.
    ///
    /// ```
    /// use edgeplan::{Changes, Quiet, Sources, Task};
    /// use edgeplan_pricing::workload::Goal;
    ///
    /// let changes = Changes { objective: Some(Goal::Quality), ..Changes::default() };
    /// let models = vec!["catalog:tinyllama-1.1b".into()];
    /// let session = Sources { models, changes, ..Sources::default() }.load()?;
    /// let session = session.resolved(&Task::default(), &mut Quiet)?;
    /// let sought = session.sought().expect("the objective is searched for");
    /// assert!(sought.bound <= sought.value);
    /// assert!(session.cache_choice().is_none(), "f16 alone");
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sources::load`](crate::Sources::load); several models with the objective `quality`.
    ///
    /// # Complexity
    /// O(log(range / precision)) solves, each ending at its first feasible plan; of other
    /// objectives none, or one for each of several formats of the cache.
    pub fn resolved(self, task: &Task<'_>, progress: &mut dyn Progress) -> Result<Self, Error> {
        self.with_best_cache(task, progress)
    }

    /// The question with what its objective looks for, whatever formats of the cache are offered.
    pub(crate) fn found(self, task: &Task<'_>, progress: &mut dyn Progress) -> Result<Self, Error> {
        let Origin::Built(inputs) = self.origin() else { return Ok(self) };
        let inputs = Arc::clone(inputs);
        if matches!(inputs.workload.objective, Goal::Quality | Goal::Context) {
            progress.phase(Phase::Seeking);
        }
        let seeker = Seeker { task, began: Instant::now(), session: &self, inputs: &inputs };
        match inputs.workload.objective {
            Goal::Quality => seeker.least_loss(),
            Goal::Context => seeker.longest_context(),
            Goal::Latency | Goal::Throughput | Goal::Memory | Goal::Decode => Ok(self),
        }
    }
}

struct Seeker<'a> {
    task: &'a Task<'a>,
    began: Instant,
    session: &'a Session,
    inputs: &'a Arc<Inputs>,
}

impl Seeker<'_> {
    fn least_loss(&self) -> Result<Session, Error> {
        let deployment = self.session.deployment();
        let [model] = &deployment.models[..] else {
            let problem = "`quality` is for one model; `latency` takes several";
            return Err(self.inputs.refuses("objective", problem).into());
        };
        let loss = |plan: &Plan| deployment.evaluate(plan).account.models[0].loss.0;
        let ask = |budget: u64| {
            let mut strict = deployment.clone();
            strict.models[0].loss_max = Some(Loss(budget));
            self.exists(&strict, loss)
        };
        let most = model.loss_max.map_or_else(|| largest_loss(model), |loss| loss.0);
        let least = smallest_loss(model);
        let precision = |good: u64| (self.task.limits.gap * good as f64) as u64;
        let Exists::Yes(good) = ask(most) else { return self.filled(None, |_| {}) };
        let (value, bound) = match ask(least) {
            Exists::Yes(_) => (least, least),
            sure => {
                let proven = (sure == Exists::No).then_some(least);
                let (value, excluded) = halved(good, least, precision, ask);
                (value, excluded.or(proven).map_or(least, |loss| loss + 1))
            }
        };
        self.filled(Some(Sought { aim: Aim::Loss, value, bound }), |workload| {
            let loss = value as f64 / 1e9;
            workload.quality = Some(match workload.floor() {
                Quality::MaxWeightDifference(_) => Quality::MaxWeightDifference(Fraction(loss)),
                Quality::MaxVariance(_) => Quality::MaxVariance(loss),
                Quality::MaxKl(_) | Quality::Like(_) | Quality::Any => Quality::MaxKl(loss),
            });
        })
    }

    fn longest_context(&self) -> Result<Session, Error> {
        let least = u64::from(self.inputs.workload.request());
        let models = self.inputs.models.iter();
        let most = models.filter_map(|model| model.context_max).min().unwrap_or(CONTEXT_MAX);
        let tokens = |cells: u64| (cells * CELLS).clamp(least, most.max(least));
        let mut failed = None;
        let mut ask = |cells: u64| {
            let session = self.filled(None, |workload| set_context(workload, tokens(cells)));
            match session {
                Ok(session) => self.exists(session.deployment(), |_| cells),
                Err(error) => {
                    failed.get_or_insert(error);
                    Exists::Unknown
                }
            }
        };
        let first = least.div_ceil(CELLS);
        let last = most.div_ceil(CELLS).max(first);
        let found = match ask(last) {
            Exists::Yes(_) => Some((last, last)),
            sure => match ask(first) {
                Exists::Yes(_) => {
                    let proven = (sure == Exists::No).then_some(last);
                    let (value, excluded) = halved(first, last, |_| 0, ask);
                    let excluded = excluded.or(proven);
                    Some((value, excluded.map_or(last, |cells| cells - 1)))
                }
                Exists::No | Exists::Unknown => None,
            },
        };
        if let Some(error) = failed {
            return Err(error);
        }
        let sought = found.map(|(value, bound)| Sought {
            aim: Aim::Context,
            value: tokens(value),
            bound: tokens(bound),
        });
        let context = sought.map_or(least, |sought| sought.value);
        self.filled(sought, |workload| set_context(workload, context))
    }

    /// The question with a changed workload, whose objective is time.
    fn filled(
        &self,
        sought: Option<Sought>,
        change: impl FnOnce(&mut Workload),
    ) -> Result<Session, Error> {
        let mut workload = self.inputs.workload.clone();
        change(&mut workload);
        workload.quality = Some(workload.floor());
        let decode = workload.is_decode_alone();
        workload.objective = if decode { Goal::Decode } else { Goal::Latency };
        let inputs = Inputs { workload, ..(**self.inputs).clone() };
        let mut session = Session::new(Origin::Built(Arc::new(inputs)), self.session.view())?;
        session.sought = sought;
        Ok(session)
    }

    fn exists(&self, deployment: &Deployment, used: impl FnOnce(&Plan) -> u64) -> Exists {
        let left = self.task.limits.time.map(|time| time.saturating_sub(self.began.elapsed()));
        if self.task.limits.interrupted() || left == Some(Duration::ZERO) {
            return Exists::Unknown;
        }
        // The first feasible plan is enough; a hard one may take a quarter of what is left.
        let time = left.map(|left| left / 4);
        let limits = Limits { gap: 0.999, time, ..self.task.limits };
        let solver = (self.task.solver(deployment).make)();
        let outcome = solve(deployment, solver.as_ref(), limits, &mut Silent);
        match (&outcome.verdict, &outcome.plan) {
            (Verdict::Infeasible, _) => Exists::No,
            (_, Some(plan)) if outcome.cost().is_some() => Exists::Yes(used(plan)),
            _ => Exists::Unknown,
        }
    }
}

fn set_context(workload: &mut Workload, tokens: u64) {
    workload.context = Some(u32::try_from(tokens).unwrap_or(u32::MAX));
}

fn smallest_loss(model: &Model) -> u64 {
    sum_of_losses(model, |losses| losses.min())
}

fn largest_loss(model: &Model) -> u64 {
    sum_of_losses(model, |losses| losses.max())
}

fn sum_of_losses(model: &Model, pick: fn(&mut dyn Iterator<Item = u64>) -> Option<u64>) -> u64 {
    let of_layer = |layer: &Layer| pick(&mut layer.options.iter().map(|option| option.loss.0));
    let picked = model.layers.iter().map(|layer| of_layer(layer).unwrap_or_default());
    picked.fold(0, u64::saturating_add)
}
