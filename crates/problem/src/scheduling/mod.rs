//! Scheduling: which server serves each request, with which variant of the asked service.
//!
//! Users are covered by edge servers; edge servers and the cloud host variants of services (a
//! quantized deployment each) with an accuracy and a time. A plan gives each request a server and a
//! variant, or leaves it unserved. Sources: GUS (arXiv 2011.08381, section III) for the platform,
//! the hard demands and the satisfaction; PIES (arXiv 2104.15094, section III) for the soft ones.

mod account;
mod candidate;
mod check;
mod plan;
mod room;
mod violation;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use account::{Account, Served, ServerAccount};
pub use candidate::Candidate;
pub use check::Invalid;
pub use plan::{Choice, Plan};
pub use room::Room;
pub use violation::Violation;

use crate::id::id;
use crate::{Nanos, Share};

id! {
    /// Index of a server in [`Scheduling::servers`].
    ServerId(u16)
}

id! {
    /// Index of a variant in [`Service::variants`].
    VariantId(u16)
}

/// What an accuracy or a time beyond a request's demand means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Demands are constraints; satisfaction is by how much they are beaten (GUS).
    Hard,
    /// Demands may be missed; satisfaction falls off with the shortfall (PIES).
    Soft,
}

/// The question. Build it, then call [`Scheduling::checked`]: everything else relies on that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduling {
    /// A name for people.
    pub name: String,
    /// What missed demands mean.
    pub mode: Mode,
    /// The unit of accuracies in the satisfaction (GUS's `Max_as`); no variant has more.
    pub accuracy_max: Share,
    /// The unit of times in the satisfaction (GUS's `Max_cs`); no hard deadline is later.
    pub completion_max: Nanos,
    /// Edge servers and the cloud.
    pub servers: Vec<Server>,
    /// The kinds of input that requests send to servers.
    pub messages: Vec<Message>,
    /// What can be asked for.
    pub services: Vec<Service>,
    /// The requests of this decision frame, in order of arrival.
    pub requests: Vec<Request>,
}

/// Where a server stands in the three tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Near its users.
    Edge,
    /// Far from all of them.
    Cloud,
}

/// A machine that serves requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name for people, unique.
    pub name: String,
    /// Edge or cloud.
    pub tier: Tier,
    /// Computation capacity of a frame (`gamma`), in the unit of [`Host::computation`].
    pub computation: u64,
    /// Communication capacity of a frame (`eta`) for requests of covered users that are served
    /// elsewhere, in the unit of [`Message::communication`].
    pub communication: u64,
}

/// What moves from the covering server to the one that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Communication capacity that one takes at the covering server (`u`).
    pub communication: u64,
    /// Time by `[from][to]`, row-major over all servers, there and back; `None` where there is no
    /// way, zero on the diagonal.
    pub time: Vec<Option<Nanos>>,
}

/// A service that requests ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// A name for people, unique.
    pub name: String,
    /// The models that can do it.
    pub variants: Vec<Variant>,
}

/// A model of a service: one quantized deployment of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// A name for people, unique within the service.
    pub name: String,
    /// How often it is right.
    pub accuracy: Share,
    /// Index into [`Scheduling::messages`]: what a request for it sends.
    pub message: usize,
    /// By server; `None` where it is not hosted.
    pub hosts: Vec<Option<Host>>,
}

/// A variant on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Time of one request.
    pub processing: Nanos,
    /// Computation capacity that one request takes (`v`).
    pub computation: u64,
}

/// A user's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Index into [`Scheduling::services`].
    pub service: usize,
    /// The server that covers the user.
    pub covered_by: ServerId,
    /// Demanded accuracy (`A`).
    pub accuracy_min: Share,
    /// Demanded completion time (`C`), counted from when the request was made.
    pub deadline: Nanos,
    /// Time gone before any server starts: the way to the covering server and the queue (`T_q`).
    pub waited: Nanos,
    /// Weight of accuracy (`w_a`).
    pub accuracy_weight: Share,
    /// Weight of time (`w_c`); the two sum to at most one.
    pub time_weight: Share,
}

impl Scheduling {
    /// All servers' ids.
    pub fn server_ids(&self) -> impl DoubleEndedIterator<Item = ServerId> + Clone + use<> {
        (0..self.servers.len()).map(|index| ServerId(index as u16))
    }

    /// A server.
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.index()]
    }

    /// The variants that a request can be served with.
    pub fn variants(&self, request: &Request) -> &[Variant] {
        &self.services[request.service].variants
    }

    /// Time to move a message between two servers and back, if there is a way.
    pub fn transfer(&self, message: usize, from: ServerId, to: ServerId) -> Option<Nanos> {
        self.messages[message].time[from.index() * self.servers.len() + to.index()]
    }
}
