//! What a site may be equipped with: for every set of services, plans at every combination of
//! their quality floors, and in one uniform format.

use crate::platform::{Platform, Site};
use edgeplan_files::InputError;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::Sensitivity;
use edgeplan_pricing::engine::EngineTraits;
use edgeplan_pricing::workload::{Quality, Workload};
use edgeplan_pricing::{deployment, prompt_alone};
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::format::Format;
use edgeplan_problem::scheduling::Host;
use edgeplan_problem::{Limits, Nanos, Share, Silent, solve};
use edgeplan_scheduling::offer;
use edgeplan_simulator::{Layout, Memory, Pass, Request, Shares, Size};
use edgeplan_solvers::Entry;

use crate::pace::Pace;

/// How good a service must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grade {
    /// At least like this format or mix, with the recipes that serve best.
    Floor(String),
    /// Every layer in this format.
    Uniform(Format),
}

impl std::fmt::Display for Grade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Floor(name) => write!(f, ">= {name}"),
            Self::Uniform(format) => write!(f, "{}", format.name()),
        }
    }
}

/// A service that a site hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosted {
    /// Index into the platform's services.
    pub service: usize,
    /// How good it is at least.
    pub grade: Grade,
    /// How good it is.
    pub accuracy: Share,
}

/// Deployments of some services that share a site's devices.
#[derive(Debug, Clone)]
pub struct Equipment {
    /// By model of the deployment.
    pub hosted: Vec<Hosted>,
    /// The question that was planned, priced for one request of the mean size.
    pub deployment: Deployment,
    /// Its answer: which device runs which layer, in which recipe.
    pub plan: Plan,
    /// The plan's devices and links.
    pub layout: Layout,
    /// The plan's times.
    pub times: Shares,
    /// The request that it is priced for.
    pub size: Size,
}

/// Who plans deployments, and for how long each.
#[derive(Debug, Clone, Copy)]
pub struct Planner<'a> {
    /// The solver.
    pub solver: &'static Entry,
    /// Of every single plan.
    pub limits: Limits<'a>,
}

/// Every way to equip a site with the platform's services, for requests of that size. A way for
/// which there is no plan is left out; none may be left. A planner that is interrupted returns what
/// it has planned.
///
/// # Errors
/// Devices whose profiles do not say enough.
///
/// # Complexity
/// One plan for each set of services and each combination of their floors.
pub fn equipments(
    platform: &Platform,
    site: &Site,
    size: Size,
    planner: &Planner<'_>,
) -> Result<Vec<Equipment>, InputError> {
    let mut found = Vec::new();
    for set in 1_u32..1 << platform.services.len() {
        let services: Vec<usize> =
            (0..platform.services.len()).filter(|index| set >> index & 1 == 1).collect();
        let sketch = Sketch { platform, site, size, services };
        let free = sketch.priced(Vec::new())?;
        for grades in sketch.grades() {
            if planner.limits.interrupted() {
                return Ok(found);
            }
            found.extend(sketch.plan(&free, &grades, planner)?);
        }
        let uniform = sketch.priced(vec![platform.uniform])?;
        let grades = vec![Grade::Uniform(platform.uniform); sketch.services.len()];
        found.extend(sketch.plan(&uniform, &grades, planner)?);
    }
    Ok(found)
}

/// Some services on a site.
struct Sketch<'a> {
    platform: &'a Platform,
    site: &'a Site,
    size: Size,
    services: Vec<usize>,
}

/// A question for whole requests, and for their prompts alone.
struct Priced {
    models: Vec<ModelSpec>,
    whole: Deployment,
    prompt: Deployment,
}

impl Sketch<'_> {
    /// The question, whatever the quality; all formats where none is named.
    fn priced(&self, formats: Vec<Format>) -> Result<Priced, InputError> {
        let workload = Workload {
            prompt: self.size.prompt,
            generate: self.size.generate,
            context: Some(self.size.prompt.saturating_add(self.size.generate)),
            engine: EngineTraits { exact_cache: true, classes: false, ..EngineTraits::default() },
            quality: Some(Quality::Any),
            privacy: false,
            formats,
            ..Workload::default()
        };
        let model = |&service: &usize| {
            let service = &self.platform.services[service];
            ModelSpec { name: service.name.clone(), ..service.model.clone() }
        };
        let models: Vec<ModelSpec> = self.services.iter().map(model).collect();
        let cluster = &self.site.cluster;
        let priced = deployment(&models, cluster, &workload).and_then(|whole| {
            let prompt = prompt_alone(&models, cluster, &workload, &whole, None)?;
            Ok((whole, prompt))
        });
        // The workload is ours: what is wrong comes from the site, or from the uniform format.
        let (whole, prompt) = priced.map_err(|error| {
            let key = match workload.formats.first() {
                Some(format) => format!("uniform: {}", format.name()),
                None => format!("site.{}", self.site.name),
            };
            InputError::key(&self.platform.name, key, error.problem)
        })?;
        Ok(Priced { models, whole, prompt })
    }

    /// Every combination of the services' floors.
    fn grades(&self) -> Vec<Vec<Grade>> {
        let mut all = vec![Vec::new()];
        for &service in &self.services {
            let floors = &self.platform.services[service].floors;
            let longer = |grades: &Vec<Grade>| {
                let one = |floor: &String| [&grades[..], &[Grade::Floor(floor.clone())]].concat();
                floors.iter().map(one).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        all
    }

    /// The best plan at those grades that leaves room for the caches of as many requests as the
    /// largest batch has, or at least of one.
    fn plan(
        &self,
        priced: &Priced,
        grades: &[Grade],
        planner: &Planner<'_>,
    ) -> Result<Option<Equipment>, InputError> {
        let mut deployment = priced.whole.clone();
        let parts = deployment.models.iter_mut().zip(&priced.models).zip(grades);
        for ((model, spec), grade) in parts {
            if let Grade::Floor(name) = grade {
                let quality = Quality::Like(name.clone());
                model.loss_max = Sensitivity::new(spec, &quality).budget(spec, &quality)?;
            }
        }
        let most = self.platform.batches.iter().copied().max().unwrap_or(1);
        let mut rooms = std::iter::successors(Some(most), |&room| (room > 1).then_some(room / 2));
        let plan = rooms.find_map(|room| {
            let mut roomy = deployment.clone();
            let layers = roomy.models.iter_mut().flat_map(|model| &mut model.layers);
            layers.for_each(|layer| layer.kv = layer.kv * u64::from(room));
            let solver = (planner.solver.make)();
            solve(&roomy, solver.as_ref(), planner.limits, &mut Silent).plan
        });
        let Some(plan) = plan else { return Ok(None) };
        let refused = |error: String| InputError::file(&self.site.name, error);
        let layout = Layout::new(&deployment, &plan).map_err(|e| refused(e.to_string()))?;
        let times = Shares::priced(&layout, self.size, &priced.prompt, &plan);
        let times = times.map_err(|error| refused(error.to_string()))?;
        let hosted = |(model, (&service, grade)): (usize, (&usize, &Grade))| {
            let unquantized = self.platform.services[service].accuracy;
            let accuracy = offer(&deployment, &plan, model, unquantized)?.accuracy;
            Ok(Hosted { service, grade: grade.clone(), accuracy })
        };
        let hosted = self.services.iter().zip(grades).enumerate().map(hosted);
        let hosted = hosted.collect::<Result<_, InputError>>()?;
        Ok(Some(Equipment { hosted, deployment, plan, layout, times, size: self.size }))
    }
}

impl Equipment {
    /// The model that serves a service, if it is hosted.
    pub fn model_of(&self, service: usize) -> Option<usize> {
        self.hosted.iter().position(|hosted| hosted.service == service)
    }

    /// Batches that go round in a model's line at once: as many as it has stages.
    pub fn lanes(&self, model: usize) -> usize {
        self.layout.lines[model].compute.len().max(1)
    }

    /// What a request of that size takes among batches of up to `batch` requests, as far as there
    /// is room for their caches: time from the site's door to the last token, and time of the
    /// busiest device or link.
    ///
    /// The latter counts with full batches, which share the reading of the weights: it is what a
    /// request takes of a site that is busy. The former counts with batches as full as the
    /// computation that was promised before and is not yet over makes them, half full where that is
    /// not known; what does not fit into full ones is waited for.
    pub fn host(&self, model: usize, size: Size, batch: u32, backlog: Option<Nanos>) -> Host {
        let (lanes, batch) = self.fitting(model, batch);
        let pace = Pace { layout: &self.layout, times: &self.times, model, lanes };
        let prompt = u64::from(size.prompt);
        let alone = Pass { prompt_tokens: prompt, joining: 1, ..Pass::default() };
        let passes = u64::from(size.generate);
        let places = lanes * u64::from(batch);
        let shared = Nanos(pace.decoding(batch).0 * passes / places);
        let computation = pace.busiest(&alone) + shared;
        let before = match backlog {
            Some(backlog) => backlog.0 / computation.0.max(1),
            None => places / 2,
        };
        let beside = (before / lanes).min(u64::from(batch) - 1) as u32;
        let reading = Pass { decoding: beside, ..alone };
        let own = pace.round(&reading) + pace.decoding(beside + 1) * passes;
        // Meanwhile each place but this one is taken over once, and a prompt read for it.
        let others = pace.busiest(&alone) * before.min(places - 1);
        let wait = computation * (before + 1).saturating_sub(places);
        Host { processing: own + others + wait, computation: computation.0 }
    }

    /// Requests that all batches of a model hold.
    pub fn places(&self, model: usize, batch: u32) -> u64 {
        let (lanes, batch) = self.fitting(model, batch);
        lanes * u64::from(batch)
    }

    /// Lanes and requests per lane for whose caches there is room; every hosted model may take an
    /// equal part.
    fn fitting(&self, model: usize, batch: u32) -> (u64, u32) {
        let memory = Memory::new(&self.layout, self.size);
        let mean = Request { arrival: Nanos::ZERO, size: self.size, model, deadline: None };
        let room = memory.need(&mean).map(|(device, bytes)| {
            memory.free(device).0 / bytes.0.max(1) / self.hosted.len() as u64
        });
        let room = room.min().unwrap_or(u64::MAX).max(1);
        let lanes = (self.lanes(model) as u64).min(room);
        (lanes, u64::from(batch).min(room / lanes).max(1) as u32)
    }

    /// What a request of the mean size takes alone, from the site's door to the last token.
    pub fn latency(&self, model: usize) -> Nanos {
        let pace = Pace { layout: &self.layout, times: &self.times, model, lanes: 1 };
        let size = self.size;
        pace.reading(1, u64::from(size.prompt)) + pace.decoding(1) * u64::from(size.generate)
    }
}
