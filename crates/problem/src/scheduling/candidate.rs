//! What serving a request in one way would mean.

use super::{Choice, Mode, Request, Scheduling, VariantId};
use crate::{Nanos, Share};

/// A way to serve a request, and what it gives and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Who serves, and with what.
    pub choice: Choice,
    /// What the user gets (`US`).
    pub satisfaction: Share,
    /// Computation capacity taken of the serving server.
    pub computation: u64,
    /// Communication capacity taken of the covering server; zero if that one serves.
    pub communication: u64,
    /// Time until the user has the answer (`c`): wait, way there and back, processing.
    pub completion: Nanos,
    /// Accuracy of the variant.
    pub accuracy: Share,
}

impl Scheduling {
    /// What a choice means for a request; `None` where the variant is not hosted or the server
    /// not reached. Demands and capacities do not count here.
    pub fn candidate(&self, request: &Request, choice: Choice) -> Option<Candidate> {
        let variant = &self.variants(request)[choice.variant.index()];
        let host = variant.hosts[choice.server.index()]?;
        let way = self.transfer(variant.message, request.covered_by, choice.server)?;
        let completion = request.waited + way + host.processing;
        let local = choice.server == request.covered_by;
        let sent = self.messages[variant.message].communication;
        Some(Candidate {
            choice,
            satisfaction: self.satisfaction(request, variant.accuracy, completion),
            computation: host.computation,
            communication: if local { 0 } else { sent },
            completion,
            accuracy: variant.accuracy,
        })
    }

    /// The satisfaction of a user who gets that accuracy in that time, in billionths; each of the
    /// two terms is rounded down.
    ///
    /// Hard (GUS): `w_a (a - A) / Max_as + w_c (C - c) / Max_cs`, nothing for what misses a demand.
    /// Soft (PIES): `w_a` and `w_c`, each less the relative shortfall
    /// `min((A - a) / Max_as, 1)` or `min((c - C) / Max_cs, 1)`.
    fn satisfaction(&self, request: &Request, accuracy: Share, completion: Nanos) -> Share {
        let (units, times) = (self.accuracy_max.0, self.completion_max.0);
        let (short, late) = (
            request.accuracy_min.saturating_sub(accuracy).0,
            completion.saturating_sub(request.deadline).0,
        );
        let (accuracy_part, time_part) = match self.mode {
            Mode::Hard if short > 0 || late > 0 => (0, 0),
            Mode::Hard => (accuracy.0 - request.accuracy_min.0, request.deadline.0 - completion.0),
            Mode::Soft => (units - short.min(units), times - late.min(times)),
        };
        // At most the weight, because no amount is above its unit. 64 bits nearly always do, and
        // dividing 128 takes ten times as long.
        let part = |weight: Share, amount: u64, unit: u64| match weight.0.checked_mul(amount) {
            Some(product) => Share(product / unit),
            None => {
                let part = u128::from(weight.0) * u128::from(amount) / u128::from(unit);
                Share(u64::try_from(part).unwrap_or(u64::MAX))
            }
        };
        part(request.accuracy_weight, accuracy_part, units)
            + part(request.time_weight, time_part, times)
    }

    /// Whether a candidate gives the request all that it demands.
    pub fn meets_demands(&self, request: &Request, candidate: &Candidate) -> bool {
        candidate.accuracy >= request.accuracy_min && candidate.completion <= request.deadline
    }

    /// Every way to serve a request on its own: hosted, reached, within the capacities of empty
    /// servers and, in hard mode, as demanded. By server, then variant.
    pub fn candidates(&self, request: &Request) -> Vec<Candidate> {
        let variants = self.variants(request).len();
        let choices = self.server_ids().flat_map(|server| {
            (0..variants).map(move |variant| Choice { server, variant: VariantId(variant as u16) })
        });
        let covering = self.server(request.covered_by);
        let possible = |candidate: &Candidate| {
            candidate.computation <= self.server(candidate.choice.server).computation
                && candidate.communication <= covering.communication
                && (self.mode == Mode::Soft || self.meets_demands(request, candidate))
        };
        choices.filter_map(|choice| self.candidate(request, choice)).filter(possible).collect()
    }

    /// The candidates that no other one on the same server beats: at least as satisfying, and no
    /// dearer. Some optimal plan uses only these. O(servers * variants^2).
    pub fn front(&self, request: &Request) -> Vec<Candidate> {
        let all = self.candidates(request);
        let mut front = Vec::with_capacity(all.len());
        for server in all.chunk_by(|a, b| a.choice.server == b.choice.server) {
            let beaten = |(index, worse): &(usize, &Candidate)| {
                server.iter().enumerate().any(|(other, better)| {
                    other != *index
                        && better.beats(worse)
                        && (other < *index || !worse.beats(better))
                })
            };
            let kept = server.iter().enumerate().filter(|pair| !beaten(pair));
            front.extend(kept.map(|(_, candidate)| *candidate));
        }
        front
    }

    /// The member of the front that is as good as a choice in every respect: itself, or what
    /// beats it. `None` if the choice is no candidate.
    pub fn at_least(&self, front: &[Candidate], request: usize, choice: Choice) -> Option<usize> {
        let request = &self.requests[request];
        let given = self.candidate(request, choice)?;
        let as_good = |candidate: &Candidate| {
            candidate.choice.server == choice.server && candidate.beats(&given)
        };
        let same = front.iter().position(|candidate| candidate.choice == choice);
        same.or_else(|| front.iter().position(as_good))
    }
}

impl Candidate {
    /// At least as satisfying and no dearer than another one on the same server.
    fn beats(&self, other: &Self) -> bool {
        self.satisfaction >= other.satisfaction
            && self.computation <= other.computation
            && self.communication <= other.communication
    }
}
