//! Schedules: whatever fits is kept, the rest is served as well as the capacities still allow.

use edgeplan_problem::scheduling::{Candidate, Plan, Request, Room, Scheduling};
use edgeplan_problem::{Run, Stop};
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;

use crate::Repair;

impl Repair for Scheduling {
    /// Admits the plan's choices in random order, dropping those that no longer fit; a plan of
    /// whole requests loses none. Then, until nothing changes, each request in random order moves
    /// to its most satisfying candidate that fits. What the relaxation served in parts, at most two
    /// requests for each server, finds its place here.
    ///
    /// # Complexity
    /// O(requests * candidates) per pass.
    fn repair(
        &self,
        plan: Plan,
        run: &mut Run<'_, Self>,
        random: &mut Pcg64Mcg,
    ) -> Result<(), Stop> {
        let fronts: Vec<Vec<Candidate>> =
            self.requests.iter().map(|request| self.front(request)).collect();
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.shuffle(random);
        let mut room = Room::of(self);
        let mut served: Vec<Option<Candidate>> = vec![None; self.requests.len()];
        for &index in &order {
            let request = &self.requests[index];
            let choice = plan.choices[index];
            let position = choice.and_then(|choice| self.at_least(&fronts[index], index, choice));
            let wanted = position.map(|position| fronts[index][position]);
            if let Some(candidate) = wanted.filter(|candidate| room.fits(request, candidate)) {
                room.take(request, &candidate);
                served[index] = Some(candidate);
            }
        }
        let mut changed = true;
        while changed {
            changed = false;
            for &index in &order {
                if let Err(stop) = run.step() {
                    offer(run, &served);
                    return Err(stop);
                }
                let request = &self.requests[index];
                changed |= move_to_best(request, &fronts[index], &mut room, &mut served[index]);
            }
        }
        offer(run, &served);
        Ok(())
    }
}

/// Moves a request to its most satisfying candidate that fits; whether it gained anything.
fn move_to_best(
    request: &Request,
    front: &[Candidate],
    room: &mut Room,
    served: &mut Option<Candidate>,
) -> bool {
    if let Some(candidate) = served {
        room.give_back(request, candidate);
    }
    let fitting = front.iter().filter(|candidate| room.fits(request, candidate));
    let best = fitting.max_by_key(|candidate| candidate.satisfaction).copied();
    let gains = match (&best, &served) {
        (Some(best), Some(now)) => best.satisfaction > now.satisfaction,
        (best, now) => best.is_some() && now.is_none(),
    };
    if gains {
        *served = best;
    }
    if let Some(candidate) = served {
        room.take(request, candidate);
    }
    gains
}

fn offer(run: &mut Run<'_, Scheduling>, served: &[Option<Candidate>]) {
    let choices = served.iter().map(|served| served.map(|candidate| candidate.choice));
    run.incumbent(&Plan { choices: choices.collect() });
}
