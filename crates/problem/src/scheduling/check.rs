//! Whether an instance makes sense, once, at the door.

use std::collections::HashSet;

use super::{Message, Mode, Request, Scheduling, Service};
use crate::{Nanos, Share};

/// Why an instance makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Sums stay below this, so that no evaluation can saturate and pass for feasible.
const SUM_MAX: u128 = 1 << 62;
/// Single times stay below this: 36 years.
const TIME_MAX: Nanos = Nanos(1 << 60);

impl Scheduling {
    /// Checks sizes, indices, names and magnitudes; everything else relies on it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and what is allowed.
    pub fn checked(self) -> Result<Self, Invalid> {
        let servers = self.servers.len();
        if servers == 0 || servers > usize::from(u16::MAX) {
            return invalid(format!("{servers} servers; 1 to {} are allowed", u16::MAX));
        }
        if self.requests.len() as u64 > u64::from(u32::MAX) {
            let requests = self.requests.len();
            return invalid(format!("{requests} requests; up to {} are allowed", u32::MAX));
        }
        let most = self.accuracy_max;
        if most == Share::ZERO || most > Share::ONE {
            return invalid(format!("accuracy_max is {most}; above 0 up to 100 % is allowed"));
        }
        if self.completion_max == Nanos::ZERO || self.completion_max >= TIME_MAX {
            let time = self.completion_max;
            return invalid(format!(
                "completion_max is {time}; above 0 up to {TIME_MAX} is allowed"
            ));
        }
        unique("server", self.servers.iter().map(|server| server.name.as_str()))?;
        unique("service", self.services.iter().map(|service| service.name.as_str()))?;
        for (index, message) in self.messages.iter().enumerate() {
            self.check_message(message)
                .map_err(|Invalid(text)| Invalid(format!("message {index}: {text}")))?;
        }
        for service in &self.services {
            self.check_service(service)
                .map_err(|Invalid(text)| Invalid(format!("service {}: {text}", service.name)))?;
        }
        for (index, request) in self.requests.iter().enumerate() {
            self.check_request(request)
                .map_err(|Invalid(text)| Invalid(format!("request {index}: {text}")))?;
        }
        self.check_magnitudes()?;
        Ok(self)
    }

    fn check_message(&self, message: &Message) -> Result<(), Invalid> {
        let servers = self.servers.len();
        if message.time.len() != servers * servers {
            return invalid(format!("{} times for {servers} servers", message.time.len()));
        }
        for (index, server) in self.servers.iter().enumerate() {
            if message.time[index * servers + index] != Some(Nanos::ZERO) {
                return invalid(format!("{} sends to itself in other than 0 ns", server.name));
            }
        }
        in_time("a transfer", message.time.iter().flatten().copied())
    }

    fn check_service(&self, service: &Service) -> Result<(), Invalid> {
        let variants = service.variants.len();
        if variants == 0 || variants > usize::from(u16::MAX) {
            return invalid(format!("{variants} variants; 1 to {} are allowed", u16::MAX));
        }
        unique("variant", service.variants.iter().map(|variant| variant.name.as_str()))?;
        for variant in &service.variants {
            let refuse = |what: String| invalid(format!("variant {}: {what}", variant.name));
            if variant.accuracy > self.accuracy_max {
                let (has, most) = (variant.accuracy, self.accuracy_max);
                return refuse(format!(
                    "accuracy is {has}; up to accuracy_max, {most}, is allowed"
                ));
            }
            if variant.message >= self.messages.len() {
                return refuse(format!("sends message {}, there is none", variant.message));
            }
            if variant.hosts.len() != self.servers.len() {
                let (has, needs) = (variant.hosts.len(), self.servers.len());
                return refuse(format!("{has} hosts for {needs} servers"));
            }
            in_time("processing", variant.hosts.iter().flatten().map(|host| host.processing))?;
        }
        Ok(())
    }

    fn check_request(&self, request: &Request) -> Result<(), Invalid> {
        if request.service >= self.services.len() {
            return invalid(format!("asks for service {}, there is none", request.service));
        }
        if request.covered_by.index() >= self.servers.len() {
            return invalid(format!("covered by server {}, there is none", request.covered_by.0));
        }
        if request.accuracy_min > Share::ONE {
            let has = request.accuracy_min;
            return invalid(format!("demands an accuracy of {has}; up to 100 % is allowed"));
        }
        let weights = request.accuracy_weight + request.time_weight;
        if weights > Share::ONE {
            return invalid(format!("its weights sum to {weights}; up to 100 % is allowed"));
        }
        if self.mode == Mode::Hard && request.deadline > self.completion_max {
            let (has, most) = (request.deadline, self.completion_max);
            return invalid(format!("deadline is {has}; up to completion_max, {most}, is allowed"));
        }
        in_time("its times", [request.deadline, request.waited].into_iter())
    }

    /// All requests together must load no server with 2^62 or more.
    fn check_magnitudes(&self) -> Result<(), Invalid> {
        let dearest = |service: &Service| {
            let hosts = service.variants.iter().flat_map(|variant| variant.hosts.iter().flatten());
            let sent = service.variants.iter().map(|v| self.messages[v.message].communication);
            let computed = hosts.map(|host| host.computation).max().unwrap_or_default();
            (u128::from(computed), u128::from(sent.max().unwrap_or_default()))
        };
        let dearest: Vec<(u128, u128)> = self.services.iter().map(dearest).collect();
        let loads = self.requests.iter().map(|request| dearest[request.service]);
        let (computed, sent) = loads.fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1));
        if computed >= SUM_MAX || sent >= SUM_MAX {
            return invalid("computation or communication sums to 2^62 or more".into());
        }
        let most = |capacity: u64| u128::from(capacity) >= SUM_MAX;
        match self.servers.iter().find(|s| most(s.computation) || most(s.communication)) {
            Some(server) => invalid(format!("{} has a capacity of 2^62 or more", server.name)),
            None => Ok(()),
        }
    }
}

fn invalid<T>(text: String) -> Result<T, Invalid> {
    Err(Invalid(text))
}

fn in_time(what: &str, mut times: impl Iterator<Item = Nanos>) -> Result<(), Invalid> {
    match times.find(|&time| time >= TIME_MAX) {
        Some(time) => invalid(format!("{what}: {time}; less than {TIME_MAX} is allowed")),
        None => Ok(()),
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return invalid(format!("two {what}s are called {name}"));
        }
    }
    Ok(())
}
