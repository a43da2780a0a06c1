//! Parts of all plans near the best one, to be searched for better ones.

use edgeplan_problem::deployment::Plan;

use crate::domain::Domain;
use crate::master::Mixture;
use crate::question::Question;
use crate::recipes::Layout;

/// Consecutive layers that may go anywhere together; windows overlap by half.
const WINDOW: usize = 8;
/// A layer of which the mixture has so much where the plan has it stays there.
const AGREES: f64 = 0.8;
/// Smaller shares of a mixture are none.
const SHARE_MIN: f64 = 0.01;

/// The `number`th part of a domain around a plan: what the mixture has elsewhere, layers of two or
/// three devices, or a window of layers is free, all else stays where the plan has it.
/// Choices are free everywhere. None if the plan is not in the domain's question.
pub(crate) fn neighbourhood(
    question: &Question<'_>,
    plan: &Plan,
    mixture: &Mixture,
    number: u64,
) -> Option<Domain> {
    let layout = Layout::of(question, plan)?;
    let mut domain = question.whole();
    let (turn, kind) = (number / 3, number % 3);
    let parts = Parts { question, layout: &layout, mixture };
    for slot in 0..question.slots() {
        let at = layout.devices[slot];
        for device in (0..question.devices).filter(|&device| device != at) {
            let is_free = match kind {
                0 => parts.disagrees(slot, device),
                1 => parts.is_among(slot, device, turn),
                _ => parts.is_in_window(slot, turn),
            };
            if !is_free {
                domain.close(question.place(slot, device));
            }
        }
    }
    Some(domain)
}

struct Parts<'a> {
    question: &'a Question<'a>,
    layout: &'a Layout,
    mixture: &'a Mixture,
}

impl Parts<'_> {
    /// Whether the mixture has a layer elsewhere, in part on that device.
    fn disagrees(&self, slot: usize, device: usize) -> bool {
        let share = |device: usize| self.mixture.places[self.question.place(slot, device)];
        share(self.layout.devices[slot]) < AGREES && share(device) > SHARE_MIN
    }

    /// Whether a layer and a device are among three devices, other ones in each turn.
    fn is_among(&self, slot: usize, device: usize, turn: u64) -> bool {
        let count = self.question.devices as u64;
        let (others, round) = ((count - 1).max(1), turn / count);
        let first = turn % count;
        let second = (first + 1 + round % others) % count;
        let third = (second + 1 + round / others % others) % count;
        let among = [first, second, third];
        let is = |device: usize| among.contains(&(device as u64));
        is(device) && is(self.layout.devices[slot])
    }

    /// Whether a layer is in the turn's window.
    fn is_in_window(&self, slot: usize, turn: u64) -> bool {
        let begin = turn as usize * (WINDOW / 2) % self.question.slots();
        (begin..begin + WINDOW).contains(&slot)
    }
}
