//! Assignments as schedules, packings in two resources as batches.

use std::collections::BTreeMap;

use edgeplan_batching::{Phases, Scenario, WireFormat, WireNode, WireRequest};
use edgeplan_files::quantity::{Memory, Time};
use edgeplan_problem::scheduling::{
    Host, Message, Mode, Request, Scheduling, Server, ServerId, Service, Tier, Variant,
};
use edgeplan_problem::{Nanos, Share};

use super::source::{Assignment, TwoResources};

/// The unit of times in the satisfaction, in nanoseconds: with it and all weight on time, a user
/// who is served that much before the deadline is satisfied by as many billionths.
const SECOND: u64 = Share::ONE.0;

/// The most profit of one item that a schedule can tell from one less.
pub const PROFIT_MAX: u64 = SECOND;

/// Generalized assignment and multiple-choice knapsack: an item is a request for a service of its
/// own, a way a variant of it, an agent a server. Weights are computation, and the profit is by how
/// much the request is early: [`unit`] nanoseconds for each. Nothing is sent, and every deadline is
/// a second after the request.
pub fn schedule(source: &Assignment) -> Scheduling {
    let unit = unit(source);
    let agents = source.capacities.len();
    let servers = source.capacities.iter().enumerate().map(|(agent, &capacity)| Server {
        name: format!("server-{agent}"),
        tier: Tier::Edge,
        computation: capacity,
        communication: 0,
    });
    let services = source.ways.iter().enumerate().map(|(item, ways)| Service {
        name: format!("service-{item}"),
        variants: ways
            .iter()
            .enumerate()
            .map(|(way, agents)| Variant {
                name: format!("variant-{way}"),
                accuracy: Share::ONE,
                message: 0,
                hosts: agents
                    .iter()
                    .map(|done| {
                        done.map(|(weight, profit)| Host {
                            processing: Nanos(SECOND - unit * profit),
                            computation: weight,
                        })
                    })
                    .collect(),
            })
            .collect(),
    });
    let request = |service: usize| Request {
        service,
        covered_by: ServerId(0),
        accuracy_min: Share::ZERO,
        deadline: Nanos(SECOND),
        waited: Nanos::ZERO,
        accuracy_weight: Share::ZERO,
        time_weight: Share::ONE,
    };
    Scheduling {
        name: "assignment".into(),
        mode: Mode::Hard,
        accuracy_max: Share::ONE,
        completion_max: Nanos(SECOND),
        servers: servers.collect(),
        messages: vec![Message {
            communication: 0,
            time: vec![Some(Nanos::ZERO); agents * agents],
        }],
        services: services.collect(),
        requests: (0..source.ways.len()).map(request).collect(),
    }
}

/// Billionths of satisfaction for a unit of profit: as many as the most profitable way allows.
fn unit(source: &Assignment) -> u64 {
    let ways = source.ways.iter().flatten().flatten().flatten();
    SECOND / ways.map(|way| way.1).max().unwrap_or(1).max(1)
}

/// The cost up to which a schedule means that the profit is possible. Zero where more than all
/// users' satisfaction is asked for, which none has.
pub fn schedule_cost(source: &Assignment) -> Option<u64> {
    let all = SECOND * source.ways.len() as u64;
    all.checked_sub(unit(source).saturating_mul(source.profit))
}

/// Bits on air of a token.
const TOKEN_BITS: u32 = 16;
/// Noise, and the power of users.
const NOISE_DBM_PER_HZ: f64 = -174.0;
const USER_DBM: f64 = 0.0;

/// Packing in two resources: an item is a request with a prompt of as many tokens as it takes of
/// the first resource, and an answer of as many as it takes of the second; a bin is a node whose
/// bands carry half a token more than its capacities. Signals are as strong as the noise, so that a
/// band carries a bit per second and hertz. Memory and time suffice for all requests.
///
/// The half token makes up for shares that are rounded up to billionths, as long as
/// `items * (4 * capacity + 1) <= 10^9` for both capacities.
pub fn epoch(source: &TwoResources, name: &str) -> Scenario {
    let [uplink, downlink] = source.capacity.map(hertz);
    let decibel = |ratio: f64| 10.0 * ratio.log10();
    let gain = NOISE_DBM_PER_HZ + decibel(uplink) - USER_DBM;
    let node = WireNode {
        model: "catalog:smollm2-135m".into(),
        tflops: 1e6,
        devices: 1,
        memory: Memory(1 << 58),
        embedding: false,
        uplink_mhz: uplink / 1e6,
        downlink_mhz: downlink / 1e6,
        transmit_dbm: NOISE_DBM_PER_HZ + decibel(downlink) - gain,
        format: vec![WireFormat {
            name: "f16".into(),
            memory_factor: 1.0,
            time_factor: 1.0,
            kl: 0.0,
        }],
    };
    let names: Vec<String> = (0..source.bins).map(|bin| format!("node-{bin}")).collect();
    let gains: BTreeMap<String, f64> = names.iter().map(|name| (name.clone(), gain)).collect();
    let hour = Time(3_600 * SECOND);
    let request = |&[prompt, output]: &[u64; 2]| WireRequest {
        name: None,
        prompt: prompt as u32,
        output: output as u32,
        deadline: Time(2 * hour.0),
        waited: Time(0),
        accuracy: 0.0,
        weight: 1,
        transmit_dbm: USER_DBM,
        gain_db: gains.clone(),
    };
    Scenario {
        name: name.into(),
        token_bits: TOKEN_BITS,
        noise_dbm_per_hz: NOISE_DBM_PER_HZ,
        epoch: Phases { uplink: Time(SECOND), compute: hour, downlink: Time(SECOND) },
        node: names.into_iter().map(|name| (name, node.clone())).collect(),
        request: source.items.iter().map(request).collect(),
    }
}

/// The band that carries half a token more than these in a second.
fn hertz(tokens: u64) -> f64 {
    (u64::from(TOKEN_BITS) / 2 * (2 * tokens + 1)) as f64
}

/// The cost up to which batches mean that so many can be packed.
pub fn epoch_cost(source: &TwoResources) -> Option<u64> {
    source.items.len().checked_sub(source.packed).map(|left| left as u64)
}
