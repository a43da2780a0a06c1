//! What is left of the capacities while a plan is made.

use super::{Candidate, Request, Scheduling};

/// What is left of every server's two capacities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Computation by server.
    pub computation: Vec<u64>,
    /// Communication by covering server.
    pub communication: Vec<u64>,
}

impl Room {
    /// Everything.
    pub fn of(instance: &Scheduling) -> Self {
        Self {
            computation: instance.servers.iter().map(|server| server.computation).collect(),
            communication: instance.servers.iter().map(|server| server.communication).collect(),
        }
    }

    /// Whether a request can be served so.
    pub fn fits(&self, request: &Request, candidate: &Candidate) -> bool {
        candidate.computation <= self.computation[candidate.choice.server.index()]
            && candidate.communication <= self.communication[request.covered_by.index()]
    }

    /// Serves it; it must fit.
    pub fn take(&mut self, request: &Request, candidate: &Candidate) {
        self.computation[candidate.choice.server.index()] -= candidate.computation;
        self.communication[request.covered_by.index()] -= candidate.communication;
    }

    /// Undoes [`Room::take`].
    pub fn give_back(&mut self, request: &Request, candidate: &Candidate) {
        self.computation[candidate.choice.server.index()] += candidate.computation;
        self.communication[request.covered_by.index()] += candidate.communication;
    }
}
