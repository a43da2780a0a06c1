//! The scheduling question of some requests: GUS's, with sites as servers and what they are
//! equipped with as variants.

use crate::platform::{Platform, Site};
use edgeplan_problem::scheduling::{
    Choice, Message, Request, Scheduling, Server, ServerId, Service, Variant,
};
use edgeplan_problem::{Bytes, Nanos, Share};
use edgeplan_simulator::Size;

use crate::equipment::Equipment;
use crate::load::UserRequest;

/// Equipment of a site, and how many requests a batch may have there.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// What is hosted.
    pub equipment: &'a Equipment,
    /// Most requests of a batch.
    pub batch: u32,
}

/// How a site stands when requests are assigned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Computation that may be promised, in nanoseconds of its busiest device or link.
    pub room: Nanos,
    /// Computation that was promised and is not yet over, where that is known.
    pub backlog: Option<Nanos>,
}

/// A question, and what its variants stand for.
#[derive(Debug, Clone)]
pub struct Question {
    /// The question.
    pub scheduling: Scheduling,
    /// By service of the question and variant.
    variants: Vec<Vec<Meaning>>,
}

/// What a variant of the question stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meaning {
    /// The site that serves it.
    pub site: usize,
    /// The model, by its place in the site's equipment.
    pub model: usize,
}

/// Bytes of a token on its way between sites: text, about four characters.
const TOKEN: u64 = 4;
const HALF: Share = Share(Share::ONE.0 / 2);

impl Question {
    /// Asks which site serves these requests, each with the time that it has waited. `offers` has,
    /// by site, what may serve there; `period` is the time in which the uplinks carry what is
    /// sent.
    ///
    /// Requests of one service and size are one service of the question, because time and
    /// computation depend on both.
    pub fn new(
        platform: &Platform,
        offers: &[Vec<Offered<'_>>],
        standing: &[Standing],
        period: Nanos,
        requests: &[(UserRequest, Nanos)],
    ) -> Self {
        let key = |asked: &UserRequest| (asked.service, asked.size.prompt, asked.size.generate);
        let mut kinds: Vec<_> = requests.iter().map(|(asked, _)| key(asked)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let draft = Draft { platform, offers, standing };
        let (mut services, mut messages, mut variants) = (Vec::new(), Vec::new(), Vec::new());
        for (index, &(service, prompt, generate)) in kinds.iter().enumerate() {
            let drafted = draft.service(service, Size { prompt, generate }, index);
            services.push(drafted.service);
            messages.push(drafted.message);
            variants.push(drafted.meanings);
        }
        let request = |(asked, waited): &(UserRequest, Nanos)| Request {
            service: kinds.partition_point(|kind| *kind < key(asked)),
            covered_by: ServerId(asked.site as u16),
            accuracy_min: asked.accuracy_min,
            deadline: asked.deadline,
            waited: *waited,
            accuracy_weight: HALF,
            time_weight: HALF,
        };
        let requests: Vec<Request> = requests.iter().map(request).collect();
        let latest = requests.iter().map(|request| request.deadline).max().unwrap_or(Nanos(1));
        let server = |(index, site): (usize, &Site)| Server {
            name: site.name.clone(),
            tier: site.tier,
            computation: standing[index].room.0,
            communication: carried(site.uplink.bandwidth, period),
        };
        let scheduling = Scheduling {
            name: platform.name.clone(),
            mode: platform.mode,
            accuracy_max: Share::ONE,
            completion_max: latest.max(Nanos(1)),
            servers: platform.sites.iter().enumerate().map(server).collect(),
            messages,
            services,
            requests,
        };
        Self { scheduling, variants }
    }

    /// What a choice for a request means.
    pub fn meaning(&self, request: usize, choice: Choice) -> Meaning {
        let service = self.scheduling.requests[request].service;
        self.variants[service][choice.variant.index()]
    }
}

/// Bytes that pass in a time.
fn carried(bits_per_second: u64, time: Nanos) -> u64 {
    let bytes = u128::from(bits_per_second) * u128::from(time.0) / 8_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX >> 2).min(u64::MAX >> 2)
}

/// Bytes of a request and of its answer between two sites.
pub(crate) fn traffic(platform: &Platform, service: usize, size: Size) -> [Bytes; 2] {
    let payload = platform.services[service].payload;
    let sent = payload + Bytes(TOKEN * u64::from(size.prompt));
    [sent, Bytes(TOKEN * u64::from(size.generate.max(1)))]
}

/// A service of the question.
struct Drafted {
    service: Service,
    message: Message,
    /// By variant.
    meanings: Vec<Meaning>,
}

struct Draft<'a> {
    platform: &'a Platform,
    offers: &'a [Vec<Offered<'a>>],
    standing: &'a [Standing],
}

impl Draft<'_> {
    fn service(&self, service: usize, size: Size, message: usize) -> Drafted {
        let sites = self.platform.sites.len();
        let (mut variants, mut meanings) = (Vec::new(), Vec::new());
        for (site, offers) in self.offers.iter().enumerate() {
            for (place, offered) in offers.iter().enumerate() {
                let Some(model) = offered.equipment.model_of(service) else { continue };
                let backlog = self.standing[site].backlog;
                let host = offered.equipment.host(model, size, offered.batch, backlog);
                let mut hosts = vec![None; sites];
                hosts[site] = Some(host);
                let hosted = &offered.equipment.hosted[model];
                let name = &self.platform.sites[site].name;
                let name = match offers.len() {
                    1 => format!("{name}: {}", hosted.grade),
                    _ => format!("{name} {}: {}, {}", place + 1, hosted.grade, offered.batch),
                };
                variants.push(Variant { name, accuracy: hosted.accuracy, message, hosts });
                meanings.push(Meaning { site, model });
            }
        }
        if variants.is_empty() {
            // A service must have a variant; no server hosts this one.
            let hosts = vec![None; sites];
            variants.push(Variant { name: "none".into(), accuracy: Share::ZERO, message, hosts });
            meanings.push(Meaning::default());
        }
        let name = &self.platform.services[service].name;
        let name = format!("{name} {} + {}", size.prompt, size.generate);
        let [sent, answered] = traffic(self.platform, service, size);
        let way = |from: usize, to: usize| {
            self.platform.way(from, to, sent) + self.platform.way(to, from, answered)
        };
        let pairs = (0..sites * sites).map(|pair| Some(way(pair / sites, pair % sites)));
        let message = Message { communication: (sent + answered).0, time: pairs.collect() };
        Drafted { service: Service { name, variants }, message, meanings }
    }
}
