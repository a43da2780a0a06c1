//! GUS and the baselines of its paper (arXiv 2011.08381, sections IV and V): requests are decided
//! one by one in order of arrival, and a decision is never taken back.
//!
//! The paper's text is not at hand; the rules follow what is recalled of it, and what that leaves
//! open is said at each [`Rule`].

use edgeplan_problem::scheduling::{
    Candidate, Choice, Plan, Request, Room, Scheduling, ServerId, Tier, VariantId,
};
use edgeplan_problem::{Answer, Run, Solver, SolverError};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// How a request's server and variant are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The most satisfying candidate for which both capacities have room (GUS).
    Gus,
    /// One of the candidates at random; the request is dropped if that one has no room.
    Random,
    /// Any hosted variant on any server at random; dropped if it misses a hard demand or has no
    /// room.
    RandomBlind,
    /// As GUS, on the covering server only.
    LocalAll,
    /// As GUS, in the cloud only.
    OffloadAll,
    /// As GUS, in the belief that computation has no end; dropped where it has.
    HappyComputation,
    /// As GUS, in the belief that communication has no end; dropped where it has.
    HappyCommunication,
}

/// One request after the other, in order of arrival.
///
/// # Complexity
/// O(requests * candidates * log candidates).
#[derive(Debug, Clone, Copy)]
pub struct ByArrival {
    /// How each is decided.
    pub rule: Rule,
}

/// More than any capacity, and far from overflow.
const NO_END: u64 = 1 << 63;

impl Solver<Scheduling> for ByArrival {
    fn solve(&self, run: &mut Run<'_, Scheduling>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        let mut random = Pcg64Mcg::seed_from_u64(run.limits().seed);
        let mut plan = Plan::empty(instance.requests.len());
        let mut real = Room::of(instance);
        let mut believed = self.believed(instance);
        for (request, choice) in instance.requests.iter().zip(&mut plan.choices) {
            if let Err(stop) = run.step() {
                run.incumbent(&plan);
                return Err(stop.into());
            }
            let Some(picked) = self.pick(instance, request, &believed, &mut random) else {
                continue;
            };
            believed.take(request, &picked);
            if real.fits(request, &picked) {
                real.take(request, &picked);
                *choice = Some(picked.choice);
            }
        }
        Ok(Answer::Plan { plan, lower_bound: None })
    }
}

impl ByArrival {
    /// The capacities that the rule counts with.
    fn believed(&self, instance: &Scheduling) -> Room {
        let mut room = Room::of(instance);
        match self.rule {
            Rule::HappyComputation => room.computation.fill(NO_END),
            Rule::HappyCommunication => room.communication.fill(NO_END),
            // A random choice does not look at capacities at all.
            Rule::Random | Rule::RandomBlind => {
                room.computation.fill(NO_END);
                room.communication.fill(NO_END);
            }
            Rule::Gus | Rule::LocalAll | Rule::OffloadAll => {}
        }
        room
    }

    fn pick(
        &self,
        instance: &Scheduling,
        request: &Request,
        room: &Room,
        random: &mut Pcg64Mcg,
    ) -> Option<Candidate> {
        if self.rule == Rule::RandomBlind {
            return blind(instance, request, random);
        }
        let mut candidates = instance.candidates(request);
        let served_by = |server: ServerId| match self.rule {
            Rule::LocalAll => server == request.covered_by,
            Rule::OffloadAll => instance.server(server).tier == Tier::Cloud,
            _ => true,
        };
        candidates.retain(|candidate| served_by(candidate.choice.server));
        if self.rule == Rule::Random {
            let count = candidates.len();
            return (count > 0).then(|| candidates[random.random_range(0..count)]);
        }
        // Stable: the first server and variant of equals.
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.satisfaction));
        candidates.into_iter().find(|candidate| room.fits(request, candidate))
    }
}

/// Any hosted variant on any server that is reached; none if it is no candidate.
fn blind(instance: &Scheduling, request: &Request, random: &mut Pcg64Mcg) -> Option<Candidate> {
    let variants = instance.variants(request).len() as u16;
    let choices = instance.server_ids().flat_map(|server| {
        (0..variants).map(move |variant| Choice { server, variant: VariantId(variant) })
    });
    let hosted: Vec<Candidate> =
        choices.filter_map(|choice| instance.candidate(request, choice)).collect();
    let picked = hosted.get(random.random_range(0..hosted.len().max(1)))?;
    instance.candidates(request).into_iter().find(|candidate| candidate == picked)
}
