//! Seeded decision frames: the same parameters give the same question.

use std::collections::BTreeMap;

use edgeplan_problem::scheduling::{
    Host, Message, Mode, Request, Scheduling, Server, ServerId, Service, Tier, Variant,
};
use edgeplan_problem::{Nanos, Share};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;

use super::settings::{Dice, Machine, Model, Settings};
use super::topology::{Placed, Topology};
use edgeplan_files::{InputError, within};

/// Parameters of a decision frame; [`Frame::new`] has those of the paper.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The numbers that it is drawn from.
    pub settings: Settings,
    /// Requests.
    pub requests: usize,
    /// Edge servers.
    pub edges: usize,
    /// Services.
    pub services: usize,
    /// Models of a service at most.
    pub levels: usize,
    /// All capacities over those of the settings, in percent.
    pub capacity_percent: u64,
    /// What missed demands mean.
    pub mode: Mode,
    /// Where servers and users are.
    pub topology: Topology,
    /// The seed.
    pub seed: u64,
}

impl Frame {
    /// The paper's sizes, on a plane of 10 by 10 km.
    pub fn new(settings: Settings) -> Self {
        let [requests, edges, services, levels] = settings.sizes();
        let (mode, topology) = (settings.mode(), Topology::Plane(10.0));
        Self {
            settings,
            requests,
            edges,
            services,
            levels,
            capacity_percent: 100,
            mode,
            topology,
            seed: 0,
        }
    }

    fn check(&self) -> Result<(), InputError> {
        within("generate", "requests", self.requests as u64, &(0..=10_000_000))?;
        within("generate", "edges", self.edges as u64, &(1..=4096))?;
        within("generate", "services", self.services as u64, &(1..=100_000))?;
        within("generate", "levels", self.levels as u64, &(1..=1000))?;
        within("generate", "capacity-percent", self.capacity_percent, &(1..=1_000_000))
    }
}

/// One way of a unit of input between edge servers, and between one and the cloud (gus, ours).
const UNIT: (u64, u64) = (20_000_000, 80_000_000);

/// The question of those parameters.
///
/// # Errors
/// Parameters out of range, and more servers than the topology has.
pub fn frame(parameters: &Frame) -> Result<Scheduling, InputError> {
    parameters.check()?;
    let &Frame { settings, requests, edges, services, levels, mode, seed, .. } = parameters;
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let cloud = settings.has_cloud();
    let placed = parameters.topology.place(edges, cloud, requests, &mut random)?;
    let mut dice = Dice(random);
    let tiers = (0..edges).map(Some).chain(cloud.then_some(None));
    let scaled = |machine: Machine| {
        let scale = |capacity: u64| (capacity * parameters.capacity_percent).div_ceil(100);
        let (computation, communication) = (machine.computation, machine.communication);
        let (computation, communication) = (scale(computation), scale(communication));
        Machine { computation, communication, ..machine }
    };
    let machines: Vec<Machine> =
        tiers.map(|edge| scaled(settings.machine(edge, &mut dice))).collect();
    let models: Vec<Vec<Model>> =
        (0..services).map(|_| settings.models(levels, &mut dice)).collect();
    let hosted = hosted(settings, &machines, &models, &mut dice);
    let draw =
        Draw { settings, edges, covered: covered(&placed, machines.len()), placed, machines };
    let mut messages = Messages::default();
    let service = |(index, models): (usize, &Vec<Model>)| {
        let variants = models.iter().enumerate().map(|(level, model)| Variant {
            name: format!("level-{}", level + 1),
            accuracy: share(model.accuracy),
            message: messages.of(&draw, model),
            hosts: draw.hosts(model, &hosted[index][level]),
        });
        Service { name: format!("service-{index}"), variants: variants.collect() }
    };
    let services: Vec<Service> = models.iter().enumerate().map(service).collect();
    let requests: Vec<Request> = draw
        .placed
        .users
        .iter()
        .map(|&(covered_by, access)| {
            request(settings, covered_by, access, services.len(), &mut dice)
        })
        .collect();
    let latest = requests.iter().map(|request| request.deadline).max().unwrap_or(Nanos(1));
    let soft = settings.latest().map_or(latest, nanos);
    let instance = Scheduling {
        name: format!("{}-{}x{edges}-{seed}", settings.name(), requests.len()),
        mode,
        accuracy_max: Share::ONE,
        completion_max: if mode == Mode::Hard { latest } else { soft },
        servers: draw.servers(),
        messages: messages.list,
        services,
        requests,
    };
    instance.checked().map_err(|error| InputError::file("frame", error.to_string()))
}

fn nanos(seconds: f64) -> Nanos {
    Nanos((seconds * 1e3).round() as u64 * 1_000_000)
}

/// In steps of 0.01 %.
fn share(part: f64) -> Share {
    Share((part.clamp(0.0, 1.0) * 1e4).round() as u64 * 100_000)
}

fn request(
    settings: Settings,
    covered_by: usize,
    access: u64,
    services: usize,
    dice: &mut Dice,
) -> Request {
    let (accuracy, deadline) = settings.demand(dice);
    Request {
        service: dice.whole(0, services as u64 - 1) as usize,
        covered_by: ServerId(covered_by as u16),
        accuracy_min: share(accuracy),
        deadline: nanos(deadline),
        waited: nanos(settings.waited(dice)) + Nanos(2 * access),
        accuracy_weight: Share(Share::ONE.0 / 2),
        time_weight: Share(Share::ONE.0 / 2),
    }
}

/// Users by covering server.
fn covered(placed: &Placed, servers: usize) -> Vec<u64> {
    let mut covered = vec![0; servers];
    for &(server, _) in &placed.users {
        covered[server] += 1;
    }
    covered
}

/// By service, model and server, whether it is hosted.
fn hosted(
    settings: Settings,
    machines: &[Machine],
    models: &[Vec<Model>],
    dice: &mut Dice,
) -> Vec<Vec<Vec<bool>>> {
    let nowhere = |models: &Vec<Model>| vec![vec![false; machines.len()]; models.len()];
    let mut hosted: Vec<Vec<Vec<bool>>> = models.iter().map(nowhere).collect();
    let all: Vec<(usize, usize)> = (models.iter().enumerate())
        .flat_map(|(service, models)| (0..models.len()).map(move |level| (service, level)))
        .collect();
    for (server, machine) in machines.iter().enumerate() {
        if settings == Settings::Gus {
            for &(service, level) in &all {
                hosted[service][level][server] = dice.uniform(0.0, 1.0) < machine.hosts;
            }
            continue;
        }
        let (mut order, mut left) = (all.clone(), machine.storage);
        order.shuffle(&mut dice.0);
        for (service, level) in order {
            let storage = models[service][level].storage;
            if storage <= left {
                left -= storage;
                hosted[service][level][server] = true;
            }
        }
    }
    hosted
}

/// What is drawn, while it becomes a question.
struct Draw {
    settings: Settings,
    edges: usize,
    placed: Placed,
    covered: Vec<u64>,
    machines: Vec<Machine>,
}

impl Draw {
    fn servers(&self) -> Vec<Server> {
        let server = |(index, machine): (usize, &Machine)| {
            let edge = index < self.edges;
            Server {
                name: if edge { format!("edge-{}", index + 1) } else { "cloud".into() },
                tier: if edge { Tier::Edge } else { Tier::Cloud },
                computation: machine.computation,
                communication: machine.communication,
            }
        };
        self.machines.iter().enumerate().map(server).collect()
    }

    fn hosts(&self, model: &Model, hosted: &[bool]) -> Vec<Option<Host>> {
        let host = |(index, machine): (usize, &Machine)| {
            let seconds = match self.settings {
                Settings::Gus => model.seconds * machine.slowness,
                _ => shared(model.computation, self.covered[index], machine.computation),
            };
            Host { processing: nanos(seconds), computation: model.computation }
        };
        let hosts = self.machines.iter().enumerate().map(host).zip(hosted);
        hosts.map(|(host, &hosted)| hosted.then_some(host)).collect()
    }

    /// There with the input, and back with an answer of no size.
    fn message(&self, model: &Model) -> Message {
        let servers = self.machines.len();
        let mut time = Vec::with_capacity(servers * servers);
        for from in 0..servers {
            for to in 0..servers {
                let far = from.max(to) >= self.edges;
                let sending = match self.settings {
                    Settings::Gus => model.communication * if far { UNIT.1 } else { UNIT.0 },
                    _ => {
                        let capacity = self.machines[from].communication;
                        nanos(shared(model.communication, self.covered[from], capacity)).0
                    }
                };
                let latency = self.placed.latency[from][to];
                time.push(match from == to {
                    true => Some(Nanos::ZERO),
                    false => latency.map(|latency| Nanos(2 * latency + sending)),
                });
            }
        }
        Message { communication: model.communication, time }
    }
}

/// PIES's time in seconds of work that all covered users share a capacity for.
fn shared(cost: u64, users: u64, capacity: u64) -> f64 {
    (cost * users) as f64 / capacity.max(1) as f64
}

/// Messages of the same cost are the same.
#[derive(Default)]
struct Messages {
    list: Vec<Message>,
    by_cost: BTreeMap<u64, usize>,
}

impl Messages {
    fn of(&mut self, draw: &Draw, model: &Model) -> usize {
        *self.by_cost.entry(model.communication).or_insert_with(|| {
            self.list.push(draw.message(model));
            self.list.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScheduleFile, parse_schedule, write_schedule};
    use edgeplan_problem::scheduling::{Choice, Plan, VariantId};

    #[test]
    fn every_family_is_seeded_and_its_files_round_trip() {
        for (name, settings) in Settings::ALL {
            let parameters = Frame { requests: 60, ..Frame::new(settings) };
            let instance = frame(&parameters).unwrap();
            assert_eq!(instance, frame(&parameters).unwrap(), "{name}");
            assert_ne!(instance, frame(&Frame { seed: 1, ..parameters }).unwrap(), "{name}");
            let text = write_schedule(&instance);
            assert_eq!(parse_schedule("i.json", &text, false).unwrap(), instance, "{name}");
            let some = instance.requests.iter().filter(|r| !instance.candidates(r).is_empty());
            assert!(some.count() > 20, "{name}: hardly any request can be served");
        }
    }

    #[test]
    fn the_published_sizes_are_the_defaults() {
        let instance = frame(&Frame::new(Settings::Gus)).unwrap();
        assert_eq!((instance.requests.len(), instance.servers.len()), (100, 10));
        assert_eq!((instance.services.len(), instance.services[0].variants.len()), (100, 10));
        assert_eq!(instance.servers[9].tier, Tier::Cloud);
        let classes: Vec<u64> = instance.servers[..4].iter().map(|s| s.computation).collect();
        assert_eq!(classes, [20, 40, 80, 20]);
        let mean = instance.requests.iter().map(|r| r.accuracy_min.as_f64() / 1e9).sum::<f64>();
        assert!((mean / 100.0 - 0.45).abs() < 0.03, "{mean}");
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let error = frame(&Frame { edges: 0, ..Frame::new(Settings::Gus) }).unwrap_err();
        assert_eq!(error.to_string(), "generate: edges: 0; 1 to 4096 are allowed");
    }

    #[test]
    fn plan_files_name_servers_and_variants() {
        let instance = frame(&Frame::new(Settings::Gus)).unwrap();
        let mut plan = Plan::empty(100);
        plan.choices[7] = Some(Choice { server: ServerId(9), variant: VariantId(2) });
        let file = ScheduleFile::new(&instance, &plan);
        assert_eq!(file.requests[7].as_ref().unwrap().server, "cloud");
        let text = edgeplan_files::to_json(&file);
        let again = ScheduleFile::parse("s.json", &text).unwrap();
        assert_eq!(again.resolve("s.json", &instance).unwrap(), plan);
        let typo = ScheduleFile::parse("s.json", &text.replace("cloud", "clout")).unwrap();
        let error = typo.resolve("s.json", &instance).unwrap_err().to_string();
        assert!(error.contains("requests[7].server: there is no `clout`; did you mean"), "{error}");
        let other = frame(&Frame { seed: 1, ..Frame::new(Settings::Gus) }).unwrap();
        let error = again.resolve("s.json", &other).unwrap_err().to_string();
        assert!(error.starts_with("s.json: instance: made for instance"), "{error}");
    }
}
