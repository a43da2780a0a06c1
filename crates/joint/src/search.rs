//! Branch and price: nodes are domains; each climbs its bound by columns until it is closed, or is
//! split where the mixture of columns is undecided.

use std::rc::Rc;
use std::time::Duration;

use edgeplan_mip::EngineError;
use edgeplan_problem::deployment::{Deployment, Objective, Plan};
use edgeplan_problem::{Cost, Run, SolverError, Stop, gap};

use crate::bound::{Bounded, fix, unscaled};
use crate::branch::{Part, split};
use crate::domain::Domain;
use crate::gains::Gains;
use crate::master::{Master, Mixture};
use crate::plans::Hunt;
use crate::prices::{Ceilings, Prices, Terms};
use crate::pricing::{Effort, LabelsMax};
use crate::propagate::propagate;
use crate::question::Question;
use crate::recipes::{Care, Layout};
use crate::tree::{Node, Open};
use crate::volume::Climbed;

/// The search of one question.
pub(crate) struct Search<'a, 'r, 'q> {
    pub(crate) question: &'a Question<'a>,
    pub(crate) run: &'r mut Run<'q, Deployment>,
    pub(crate) master: Master<'a>,
    method: Method,
    made: u64,
    /// Time that searches for better placements took.
    pub(crate) improving: Duration,
    pub(crate) hunt: Hunt,
    pub(crate) gains: Gains,
    /// Nothing that costs as much is looked for, whatever is known of plans.
    pub(crate) ceiling: u64,
    /// The root's prices, each better than the one before.
    pub(crate) root: Vec<Rc<Prices>>,
    pub(crate) relaxation: Relaxation,
}

/// What prices tie together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relaxation {
    /// Whether options have prices: budgets of losses are kept by whole recipes.
    pub(crate) by_options: bool,
    /// Whether configurations say what devices send: there are no ways of models then.
    routed: bool,
}

impl Relaxation {
    /// Ways of models and contents of devices: the one that certificates know.
    pub(crate) const CERTIFIED: Self = Self { by_options: false, routed: false };

    /// The strongest that is worth its time.
    pub(crate) fn of(question: &Question<'_>) -> Self {
        let bottleneck = question.deployment.objective == Objective::Bottleneck;
        Self {
            // Beside a master of columns they slow it down more than they add: of 34 layers on 5
            // devices its root took more than 4.4 s, not 1.2.
            by_options: question.is_contiguous() && !bottleneck,
            // The bottleneck is a limit on sending, and a device may send after several runs.
            routed: bottleneck && (question.models() > 1 || !question.is_contiguous()),
        }
    }
}

/// How bounds of nodes climb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// By the duals of a master of columns.
    Columns,
    /// Along the mean of what the cheapest contents break, at least at the root.
    Volume,
}

/// Why a bound climbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// All plans: the bound is the question's.
    Root,
    /// A part of all plans, from the prices of a larger part.
    Node,
    /// A better plan; the bound closes the part and is good for nothing else.
    Plan,
}

/// How much of the tree was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Explored {
    /// No plan that costs less than the cutoff is left.
    All,
    Part,
}

/// What is left of a node.
pub(crate) enum Left {
    /// Nothing that costs less than the cutoff.
    Nothing,
    /// What is between the cutoff and that bound, with the prices that show it.
    Open { bound: u64, prices: Rc<Prices>, mixture: Box<Mixture> },
}

impl Left {
    /// No plan that is left costs less; none if none is left.
    fn bound(&self) -> Option<u64> {
        match self {
            Self::Nothing => None,
            &Self::Open { bound, .. } => Some(bound),
        }
    }
}

/// Labels for one configuration.
pub(crate) const LABELS: LabelsMax = LabelsMax(20_000);
/// What a bound lacks counts as at most this share of it: the best plan may be a bad one.
const LACKS_MAX: f64 = 0.1;

impl<'a, 'r, 'q> Search<'a, 'r, 'q> {
    pub(crate) fn new(
        question: &'a Question<'a>,
        run: &'r mut Run<'q, Deployment>,
        relaxation: Relaxation,
    ) -> Result<Self, SolverError> {
        let (most, threads) = (costliest(question, run), run.limits().threads);
        let master = Master::new(question, most, threads, relaxation.routed).map_err(failed)?;
        let (made, improving, ceiling, root) = (0, Duration::ZERO, u64::MAX, Vec::new());
        // Shares of a bottleneck move slowly along means: 60 % of a bound after 20 s where columns
        // have 99 % (multi2thr-home-lab-D4).
        let method = match question.deployment.objective {
            Objective::Bottleneck => Method::Columns,
            Objective::Latency | Objective::Memory => Method::Volume,
        };
        let (hunt, gains) = (Hunt::default(), Gains::new(question.choices.len()));
        Ok(Self {
            question,
            run,
            master,
            method,
            made,
            improving,
            hunt,
            gains,
            ceiling,
            root,
            relaxation,
        })
    }

    /// Prices of the root, for plans that cost less than a ceiling, each better than the one
    /// before, as far as time allows. Nothing is propagated: a checker that does not would find
    /// prices of what is closed to be worth nothing.
    pub(crate) fn root_prices(mut self, ceiling: Option<Cost>) -> Result<Vec<Prices>, SolverError> {
        self.ceiling = ceiling.map_or(u64::MAX, |cost| cost.0);
        let mut domain = self.question.whole();
        let start = Rc::new(Prices::zero(self.question));
        let climbed = self.climb(&mut domain, 0, Rc::clone(&start), Aim::Root);
        if !matches!(climbed, Ok(_) | Err(SolverError::Stopped(_))) {
            climbed?;
        }
        let found = self.root.iter().map(|prices| (**prices).clone());
        Ok(std::iter::once((*start).clone()).chain(found).collect())
    }

    /// The least cost that is not known to be out of reach: plans that cost as much are of no
    /// interest.
    pub(crate) fn cutoff(&self) -> u64 {
        let known = match self.run.best() {
            Some(&(_, cost)) => within(cost, self.run.limits().gap),
            None => self.question.cost_max.saturating_add(1),
        };
        known.min(self.ceiling)
    }

    /// What every plan of interest keeps.
    pub(crate) fn ceilings(&self) -> Ceilings {
        Ceilings::new(self.question, self.cutoff())
    }

    /// No plan of interest costs more.
    pub(crate) fn costliest(&self) -> u64 {
        costliest(self.question, self.run)
    }

    /// What a proven cost lacks to the cutoff, at most a share of `most`.
    pub(crate) fn lacks(&self, proven: f64, most: f64) -> f64 {
        (self.cutoff() as f64 - proven).min(LACKS_MAX * most)
    }

    /// No plan costs less than what is returned; [`Cost::MAX`] if there is none.
    pub(crate) fn prove(mut self) -> Result<Cost, SolverError> {
        self.run.meet()?;
        self.anneal_first(1)?;
        if let Some((plan, _)) = self.run.best().cloned() {
            self.learn(&plan)?;
        }
        match self.question.deployment.objective {
            Objective::Bottleneck => self.close_in()?,
            Objective::Latency | Objective::Memory => {
                self.explore(u64::MAX)?;
            }
        }
        Ok(match self.run.best() {
            Some(_) => Cost(self.cutoff()),
            None => Cost::MAX,
        })
    }

    /// Looks for plans that cost less than the cutoff, in at most so many nodes.
    pub(crate) fn explore(&mut self, nodes_max: u64) -> Result<Explored, SolverError> {
        let mut domain = self.question.whole();
        if propagate(self.question, &mut domain, &self.ceilings()).is_err() {
            return Ok(Explored::All);
        }
        let known = self.root.last().map(Rc::clone);
        let routed = self.relaxation.routed;
        let zero = || Prices { routed, ..Prices::zero(self.question) };
        let prices = known.unwrap_or_else(|| Rc::new(zero()));
        let mut open = Open::default();
        open.push(Node { bound: 0, number: 0, domain, decided: None, prices });
        let mut looked = 0;
        while let Some(node) = open.pop(looked) {
            if node.bound >= self.cutoff() {
                continue;
            }
            if looked >= nodes_max {
                return Ok(Explored::Part);
            }
            let aim = if looked == 0 { Aim::Root } else { Aim::Node };
            looked += 1;
            self.run.lower_bound(Cost(open.least().min(node.bound).min(self.cutoff())));
            self.run.count("nodes", 1);
            self.look_at(node, aim, &mut open)?;
        }
        Ok(Explored::All)
    }

    /// Climbs a node's bound, looks for plans there, and splits what is left.
    fn look_at(&mut self, node: Node, aim: Aim, open: &mut Open) -> Result<(), SolverError> {
        let Node { bound: before, mut domain, decided, prices, .. } = node;
        let left = self.climb(&mut domain, before, prices, aim)?;
        if let Some(decided) = decided {
            let now = left.bound().unwrap_or(self.cutoff());
            self.gains.learn(decided, now.saturating_sub(before) as f64);
        }
        let Left::Open { bound, prices, mixture } = left else { return Ok(()) };
        self.hunt(&domain, &mixture, &prices)?;
        for Part { mut domain, decided } in split(self.question, &domain, &mixture, &self.gains) {
            if propagate(self.question, &mut domain, &self.ceilings()).is_ok() {
                self.made += 1;
                let prices = Rc::clone(&prices);
                open.push(Node { bound, number: self.made, domain, decided, prices });
            }
        }
        Ok(())
    }

    pub(crate) fn bounded(&self, domain: &Domain, terms: Terms<'_>) -> Result<Bounded, Stop> {
        Bounded::new(self.question, domain, terms, self.effort(LABELS))
    }

    /// What may be done for the bound of some prices.
    pub(crate) fn effort(&self, labels_max: LabelsMax) -> Effort<'q> {
        let threads = self.run.limits().threads.max(1) as usize;
        Effort { labels_max, threads, watch: self.run.watch() }
    }

    /// Adds a plan's columns.
    pub(crate) fn learn(&mut self, plan: &Plan) -> Result<(), SolverError> {
        let Some(layout) = Layout::of(self.question, plan) else { return Ok(()) };
        let routed = self.relaxation.routed;
        for configuration in layout.configurations(self.question, routed) {
            self.master.add_configuration(&configuration).map_err(failed)?;
        }
        if !routed {
            for arc in layout.arcs(self.question) {
                self.master.add_arc(arc).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Climbs the bound of a node until it is closed, or more work would add little.
    pub(crate) fn climb(
        &mut self,
        domain: &mut Domain,
        bound: u64,
        prices: Rc<Prices>,
        aim: Aim,
    ) -> Result<Left, SolverError> {
        if let Some(layout) = sole_layout(self.question, domain) {
            self.run.incumbent(&layout.plan(self.question));
            return Ok(Left::Nothing);
        }
        let prices = match self.method {
            Method::Columns => prices,
            Method::Volume => match self.climb_by_volume(domain, bound, prices, aim)? {
                Climbed::Left(left) => return Ok(left),
                Climbed::Columns(prices) => {
                    self.method = Method::Columns;
                    prices
                }
            },
        };
        self.climb_by_columns(domain, bound, prices, aim)
    }

    /// Keeps better prices of the root, and says what they prove.
    pub(crate) fn learn_root(&mut self, bounded: &Bounded, prices: &Rc<Prices>) {
        self.root.push(Rc::clone(prices));
        let proven = bounded.cost(self.question).min(self.cutoff());
        self.run.lower_bound(Cost(proven));
    }

    /// Ends a climb at these prices, which prove a scaled bound: takes out of the domain what they
    /// show to be useless, and rounds the mixture.
    pub(crate) fn end_climb(
        &mut self,
        domain: &mut Domain,
        scaled: i128,
        prices: Rc<Prices>,
        mixture: Mixture,
    ) -> Result<Left, SolverError> {
        let ceilings = self.ceilings();
        self.fix(domain, Terms { prices: &prices, ceilings: &ceilings })?;
        self.round(domain, &mixture, &prices, Care::Thorough)?;
        let bound = unscaled(self.question, scaled);
        Ok(match bound >= self.cutoff() {
            true => Left::Nothing,
            false => Left::Open { bound, prices, mixture: Box::new(mixture) },
        })
    }

    /// Takes out of a domain what reduced costs at these prices show to be useless.
    fn fix(&mut self, domain: &mut Domain, terms: Terms<'_>) -> Result<(), SolverError> {
        let bounded = self.bounded(domain, terms)?;
        if bounded.scaled < i128::MAX {
            let fixed = fix(self.question, domain, terms, &bounded, self.cutoff());
            self.run.count("fixed", fixed);
        }
        Ok(())
    }
}

/// No plan of interest costs more: the best one's cost, or what no plan exceeds.
fn costliest(question: &Question<'_>, run: &Run<'_, Deployment>) -> u64 {
    run.best().map_or(question.cost_max, |(_, cost)| cost.0).max(1)
}

/// The only layout that a domain allows.
fn sole_layout(question: &Question<'_>, domain: &Domain) -> Option<Layout> {
    let mut layout = Layout { devices: Vec::new(), choices: Vec::new() };
    for slot in 0..question.slots() {
        let device = crate::propagate::sole_device(question, domain, slot)?;
        let mut choices = domain.choices(question.place(slot, device));
        layout.choices.push(choices.next()?);
        layout.devices.push(device);
        if choices.next().is_some() {
            return None;
        }
    }
    Some(layout)
}

/// The least bound that proves a plan within a gap.
fn within(cost: Cost, gap_max: f64) -> u64 {
    let mut bound = (cost.as_f64() * (1.0 - gap_max)).ceil().clamp(0.0, cost.as_f64()) as u64;
    bound = bound.min(cost.0);
    while bound < cost.0 && gap(cost, Cost(bound)) > gap_max {
        bound += 1;
    }
    bound
}

pub(crate) fn failed(error: EngineError) -> SolverError {
    SolverError::Engine(error.to_string())
}
