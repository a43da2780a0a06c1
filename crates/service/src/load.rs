//! The requests that a platform expects, one by one.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::platform::{Arrivals, Demand, Platform, Service};
use edgeplan_files::{InputError, read_text};
use edgeplan_problem::{Nanos, Share};
use edgeplan_simulator::trace::{self, Poisson};
use edgeplan_simulator::{Request, Size};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// A user's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRequest {
    /// When it is made, since the first one.
    pub arrival: Nanos,
    /// Index of the site that covers the user.
    pub site: usize,
    /// Index of the service.
    pub service: usize,
    /// Its tokens.
    pub size: Size,
    /// Demanded accuracy.
    pub accuracy_min: Share,
    /// Demanded time from arrival to the last token.
    pub deadline: Nanos,
}

/// Requests on a platform, and the flag that interrupts work on them.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Sites and services.
    pub platform: &'a Platform,
    /// Who asks for what, and when.
    pub requests: &'a [UserRequest],
    /// Ends planning and simulation once it is set.
    pub stop: &'a AtomicBool,
}

impl<'a> Load<'a> {
    /// A load that is not interrupted.
    pub fn new(platform: &'a Platform, requests: &'a [UserRequest]) -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { platform, requests, stop: &NEVER }
    }

    /// Other requests on the same platform.
    pub fn with<'b>(self, requests: &'b [UserRequest]) -> Load<'b>
    where
        'a: 'b,
    {
        Load { requests, ..self }
    }

    /// Whether its stop flag is set.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The requests of the platform's load, by arrival. Who asks where for what is drawn with the
/// load's seed; a trace brings times and tokens.
///
/// # Errors
/// A trace that cannot be read, with its row.
pub fn requests(platform: &Platform) -> Result<Vec<UserRequest>, InputError> {
    let load = &platform.load;
    let (mut arrivals, drawn) = match &load.arrivals {
        Arrivals::Trace(path) => {
            (trace::parse(&path.display().to_string(), &read_text(path)?)?, false)
        }
        &Arrivals::Poisson(rate) => {
            let tokens = vec![1];
            let (count, seed) = (load.requests, load.seed);
            let poisson = Poisson { rate, count, prompts: tokens.clone(), generates: tokens, seed };
            (poisson.requests(), true)
        }
    };
    arrivals.truncate(load.requests);
    let mut random = Pcg64Mcg::seed_from_u64(load.seed ^ 0x5eed);
    let users: Vec<u32> = platform.sites.iter().map(|site| site.users).collect();
    let shares: Vec<u32> = platform.services.iter().map(|service| service.share).collect();
    let asked = |request: &Request| {
        let site = pick(&users, &mut random);
        let service = pick(&shares, &mut random);
        let Service { prompts, generates, demands, .. } = &platform.services[service];
        let size = match drawn {
            false => request.size,
            true => Size {
                prompt: prompts[random.random_range(0..prompts.len())],
                generate: generates[random.random_range(0..generates.len())],
            },
        };
        let shares: Vec<u32> = demands.iter().map(|demand| demand.share).collect();
        let Demand { accuracy_min, deadline, per_token, .. } = demands[pick(&shares, &mut random)];
        UserRequest {
            arrival: stretched(request.arrival, load.stretch),
            site,
            service,
            size,
            accuracy_min,
            deadline: deadline + per_token * u64::from(size.generate),
        }
    };
    Ok(arrivals.iter().map(asked).collect())
}

/// A time multiplied by a positive factor.
pub(crate) fn stretched(time: Nanos, factor: f64) -> Nanos {
    if factor == 1.0 { time } else { Nanos((time.as_f64() * factor) as u64) }
}

/// An index, in proportion to these shares; the first where all are zero.
fn pick(shares: &[u32], random: &mut Pcg64Mcg) -> usize {
    let sum: u64 = shares.iter().map(|&share| u64::from(share)).sum();
    let mut drawn = random.random_range(0..sum.max(1));
    let found = shares.iter().position(|&share| {
        let hit = drawn < u64::from(share);
        drawn = drawn.saturating_sub(u64::from(share));
        hit
    });
    found.unwrap_or_default()
}

/// The mean tokens of these requests, rounded up; at least one of each prompt.
pub fn mean_size(requests: &[UserRequest]) -> Size {
    let count = requests.len().max(1) as u64;
    let mean = |tokens: fn(&Size) -> u32| {
        let sum: u64 = requests.iter().map(|request| u64::from(tokens(&request.size))).sum();
        u32::try_from(sum.div_ceil(count)).unwrap_or(u32::MAX)
    };
    Size { prompt: mean(|size| size.prompt).max(1), generate: mean(|size| size.generate) }
}
