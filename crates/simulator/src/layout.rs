//! A deployment under a plan, as devices and links that passes go through.

use edgeplan_problem::deployment::{Account, Deployment, DeviceId, Plan};
use edgeplan_problem::{Bytes, Nanos, Problem as _};

/// Why a plan cannot be simulated: what `evaluate()` has against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the plan is not feasible: {}", self.0.join("; "))
    }
}

impl std::error::Error for Refused {}

/// A resource that serves one pass at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// A device, which computes.
    Device(DeviceId),
    /// One direction of the way between two devices, which carries one message.
    Link {
        /// Sender.
        from: DeviceId,
        /// Receiver.
        to: DeviceId,
    },
}

impl Server {
    /// `laptop`, or `laptop > desktop`.
    pub fn name(self, deployment: &Deployment) -> String {
        let name = |device| deployment.device(device).name.as_str();
        match self {
            Self::Device(device) => name(device).to_owned(),
            Self::Link { from, to } => format!("{} > {}", name(from), name(to)),
        }
    }
}

/// What a pass does on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A stage of the line computes.
    Compute {
        /// Index into [`Layout::servers`].
        server: usize,
        /// Index into the model's stages.
        stage: usize,
    },
    /// A message moves.
    Transfer {
        /// Index into [`Layout::servers`].
        server: usize,
        /// Which: see [`ServiceTimes::transfer`](crate::ServiceTimes::transfer).
        hop: usize,
    },
}

/// The way of one model's passes, from the source back to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// In this order. A message between a device and itself is no step.
    pub steps: Vec<Step>,
    /// Time that each stage computes for one request of the workload.
    pub compute: Vec<Nanos>,
    /// Messages of one request of the workload: in, between stages, back.
    pub hops: Vec<Hop>,
    /// KV cache of one request of the workload, by device that holds any.
    pub cache: Vec<(DeviceId, Bytes)>,
}

/// A message of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Sender and receiver.
    pub ends: (DeviceId, DeviceId),
    /// Time of one request of the workload.
    pub time: Nanos,
}

/// A deployment under a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// All devices in the deployment's order, then the links in use.
    pub servers: Vec<Server>,
    /// By model.
    pub lines: Vec<Line>,
    /// By device: bytes that weights, activations and overhead leave for KV caches.
    pub room: Vec<Bytes>,
}

impl Layout {
    /// Lays out a feasible plan of a [`checked`](Deployment::checked) deployment.
    ///
    /// # Errors
    /// When `evaluate()` finds the plan infeasible.
    ///
    /// # Complexity
    /// O(layers + stages * links).
    pub fn new(instance: &Deployment, plan: &Plan) -> Result<Self, Refused> {
        let evaluation = instance.evaluate(plan);
        if !evaluation.is_feasible() {
            let broken = evaluation.violations.iter().map(ToString::to_string);
            return Err(Refused(broken.collect()));
        }
        let account = evaluation.account;
        let room = instance.devices.iter().zip(&account.devices).map(|(device, bill)| {
            let fixed = bill.weights + bill.activations + bill.overhead;
            device.memory.saturating_sub(fixed)
        });
        let mut layout = Self {
            servers: instance.device_ids().map(Server::Device).collect(),
            lines: Vec::new(),
            room: room.collect(),
        };
        for model in 0..instance.models.len() {
            let line = layout.line(instance, &account, model);
            layout.lines.push(line);
        }
        Ok(layout)
    }

    fn line(&mut self, instance: &Deployment, account: &Account, model: usize) -> Line {
        let bill = &account.models[model];
        let mut line = Line {
            steps: Vec::new(),
            compute: bill.stages.iter().map(|stage| stage.compute).collect(),
            hops: Vec::new(),
            cache: Vec::new(),
        };
        let mut at = instance.source;
        let mut time = bill.enter;
        for (stage, run) in bill.stages.iter().enumerate() {
            self.hop(&mut line, Hop { ends: (at, run.device), time });
            line.steps.push(Step::Compute { server: run.device.index(), stage });
            let layers = &instance.models[model].layers[run.first..=run.last];
            let cache = layers.iter().map(|layer| layer.kv).sum();
            match line.cache.iter_mut().find(|(device, _)| *device == run.device) {
                Some((_, bytes)) => *bytes += cache,
                None => line.cache.push((run.device, cache)),
            }
            (at, time) = (run.device, run.hop);
        }
        self.hop(&mut line, Hop { ends: (at, instance.source), time: bill.leave });
        line.cache.retain(|(_, bytes)| *bytes > Bytes::ZERO);
        line
    }

    fn hop(&mut self, line: &mut Line, hop: Hop) {
        let (from, to) = hop.ends;
        if from != to {
            let link = Server::Link { from, to };
            let server = self.servers.iter().position(|known| *known == link);
            let server = server.unwrap_or_else(|| {
                self.servers.push(link);
                self.servers.len() - 1
            });
            line.steps.push(Step::Transfer { server, hop: line.hops.len() });
        }
        line.hops.push(hop);
    }
}
