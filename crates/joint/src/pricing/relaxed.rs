//! The relaxation: a device's memory and times have a price, and no end.

use super::{FRACTION, Item, Layer, Part, Pricing, Send};
use crate::configuration::{Configuration, Held, Taken};
use crate::question::NEVER;

/// Prices of a byte, and of a nanosecond of compute and of sending, in units of two to the power of
/// minus [`FRACTION`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scarcity {
    pub(super) byte: u64,
    pub(super) time: u64,
    pub(super) sending: u64,
}

impl Scarcity {
    /// What that much costs, rounded down.
    pub(super) fn of(self, taken: Taken) -> i64 {
        let product = |price: u64, amount: u64| u128::from(price) * u128::from(amount);
        let sum = product(self.byte, taken.bytes)
            + product(self.time, taken.time)
            + product(self.sending, taken.sending);
        i64::try_from(sum >> FRACTION).unwrap_or(NEVER).min(NEVER)
    }

    /// What bytes cost, rounded down.
    fn of_bytes(self, bytes: u64) -> i64 {
        self.of(Taken { bytes, ..Taken::default() })
    }

    /// What a message costs with its time.
    fn of_send(self, send: &Send) -> i64 {
        send.value + self.of(Taken { sending: send.time, ..Taken::default() })
    }

    /// The cheapest of messages and what it costs; [`NEVER`] if there is none.
    fn cheapest_send(self, sends: &[Send]) -> (i64, usize) {
        let costs = sends.iter().enumerate().map(|(index, send)| (self.of_send(send), index));
        costs.min().unwrap_or((NEVER, 0))
    }
}

/// The cheapest completions under prices of memory and times.
#[derive(Debug)]
pub(super) struct Relaxed {
    pub(super) scarcity: Scarcity,
    /// By model: of what the device holds of it and of those after.
    pub(super) gate: Vec<i64>,
    /// By model and layer: after the layer, which is held.
    pub(super) running: Vec<Vec<i64>>,
    /// By model and layer: after the layer, where a run ended at it or before.
    pub(super) ended: Vec<Vec<i64>>,
    /// By model and layer: the cheapest item.
    items: Vec<Vec<Option<usize>>>,
    /// By model and layer: the cheapest way to end a run, and what it costs.
    ends: Vec<Vec<(i64, usize)>>,
    /// What the cheapest ways into models cost together.
    entered: i64,
    /// What the whole capacity costs, rounded up.
    pub(super) whole: i64,
}

/// The best prices of memory and times, and what was seen on the way.
pub(super) struct Climbed {
    pub(super) relaxed: Relaxed,
    /// No configuration that holds anything costs less.
    pub(super) bound: i64,
    pub(super) found: Vec<(i64, Configuration)>,
}

/// Prices of one resource that are tried.
const TRIALS_MAX: usize = 24;
/// How often resources take turns.
const TURNS: usize = 2;

/// Which resource's price moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Bytes,
    Time,
    Sending,
}

/// A point of the bound as a function of one resource's price: its height, and what the cheapest
/// configuration takes beyond what there is.
#[derive(Debug, Clone, Copy)]
struct Point {
    price: u64,
    bound: i64,
    excess: i128,
}

impl Resource {
    /// Of what is taken, how much of this.
    fn of(self, taken: Taken) -> u64 {
        match self {
            Self::Bytes => taken.bytes,
            Self::Time => taken.time,
            Self::Sending => taken.sending,
        }
    }
}

impl Pricing<'_> {
    /// Moves the prices of memory, and of times that are limited, to where the bound is best.
    pub(super) fn climb(&self) -> Climbed {
        let mut found = Vec::new();
        let mut best = Scarcity::default();
        let mut resources = vec![Resource::Bytes];
        resources.extend(self.time_max.map(|_| Resource::Time));
        resources.extend(self.sending_max.map(|_| Resource::Sending));
        let turns = if resources.len() > 1 { TURNS } else { 1 };
        for _ in 0..turns {
            for &resource in &resources {
                best = self.climb_one(best, resource, &mut found);
            }
        }
        let relaxed = self.relaxed(best);
        Climbed { bound: self.bound(&relaxed), relaxed, found }
    }

    /// No configuration costs less, but an empty one.
    fn bound(&self, relaxed: &Relaxed) -> i64 {
        relaxed.gate[0] + self.outside(relaxed)
    }

    /// What a bound adds to what is held.
    fn outside(&self, relaxed: &Relaxed) -> i64 {
        self.overhead_cost + relaxed.entered - relaxed.whole
    }

    /// What there is of everything.
    fn limits(&self) -> Taken {
        Taken {
            bytes: self.capacity,
            time: self.time_max.unwrap_or(0),
            sending: self.sending_max.unwrap_or(0),
        }
    }

    /// Moves one price: between two points, to where their slopes cross.
    fn climb_one(
        &self,
        start: Scarcity,
        resource: Resource,
        found: &mut Vec<(i64, Configuration)>,
    ) -> Scarcity {
        let at = |price: u64| match resource {
            Resource::Bytes => Scarcity { byte: price, ..start },
            Resource::Time => Scarcity { time: price, ..start },
            Resource::Sending => Scarcity { sending: price, ..start },
        };
        let limit = resource.of(self.limits());
        // What the whole capacity costs is far from what sums cannot hold.
        let price_max = ((NEVER as u128 / 8) << FRACTION) / u128::from(limit.max(1));
        let price_max = u64::try_from(price_max).unwrap_or(u64::MAX).min(u64::MAX >> 1);
        let mut point = |price: u64| {
            let (bound, excess) = self.look(at(price), resource, found);
            Point { price, bound, excess }
        };
        let mut low = point(0);
        if low.excess <= 0 {
            return at(0);
        }
        let mut high = point(price_max);
        let mut best = if high.bound > low.bound { high } else { low };
        for _ in 0..TRIALS_MAX {
            if high.excess >= 0 || high.price <= low.price + 1 {
                break;
            }
            let Some(price) = crossing(low, high) else { break };
            let next = point(price);
            if next.bound > best.bound {
                best = next;
            }
            match next.excess {
                0 => break,
                1.. => low = next,
                _ => high = next,
            }
        }
        at(best.price)
    }

    /// The bound at a price, and what the cheapest configuration takes beyond what there is.
    fn look(
        &self,
        scarcity: Scarcity,
        resource: Resource,
        found: &mut Vec<(i64, Configuration)>,
    ) -> (i64, i128) {
        let relaxed = self.relaxed(scarcity);
        let bound = self.bound(&relaxed);
        if bound >= NEVER / 2 {
            return (bound, 0);
        }
        let (configuration, bytes) = self.cheapest(&relaxed);
        let taken = configuration.taken(self.question);
        let room = self.question.deployment.devices[self.device].memory.0;
        let within = |amount: u64, limit: Option<u64>| limit.is_none_or(|limit| amount <= limit);
        let fits = taken.bytes <= room
            && within(taken.time, self.time_max)
            && within(taken.sending, self.sending_max);
        let counted = resource.of(Taken { bytes, ..taken });
        let excess = i128::from(counted) - i128::from(resource.of(self.limits()));
        if fits && !(configuration.held.is_empty() && configuration.sends.is_empty()) {
            let value = self.value(&configuration);
            if value < self.nothing() {
                found.push((value, configuration));
            }
        }
        (bound, excess)
    }

    /// What a configuration costs.
    pub(super) fn value(&self, configuration: &Configuration) -> i64 {
        let mut sum = self.overhead_cost;
        let mut held = configuration.held.iter().peekable();
        let sent = |sends: &[Send]| {
            let is = |send: &&Send| send.arc.is_none_or(|arc| configuration.sends.contains(&arc));
            sends.iter().find(is).expect("a configuration sends what is allowed").value
        };
        sum += self.entries.iter().map(|into| sent(into)).sum::<i64>();
        for part in &self.parts {
            let (mut stored, mut any, mut running) = (0u64, false, false);
            for layer in &part.layers {
                let here = held.next_if(|held| held.slot as usize == layer.slot);
                let Some(here) = here else {
                    running = false;
                    continue;
                };
                sum += if running { 0 } else { layer.begin };
                sum += if any { 0 } else { part.activation_cost };
                (any, running) = (true, true);
                let items = &layer.items;
                let item = items.iter().find(|item| item.choice == here.choice);
                let item = item.expect("a configuration holds what is allowed");
                sum += item.value;
                if let Some(shared) = item.shared.filter(|shared| stored >> shared & 1 == 0) {
                    sum += part.shared[usize::from(shared)].1;
                    stored |= 1 << shared;
                }
                let next = layer.slot as u32 + 1;
                let goes_on = held.peek().is_some_and(|held| held.slot == next)
                    && part.layers.last().is_some_and(|last| last.slot > layer.slot);
                sum += if goes_on { 0 } else { sent(&layer.ends) };
            }
        }
        sum
    }

    /// What the cheapest ways into models cost together; [`NEVER`] where one has none.
    fn entered(&self, scarcity: Scarcity) -> i64 {
        let costs = self.entries.iter().map(|into| scarcity.cheapest_send(into).0);
        costs.fold(0, |sum, cost| if cost.max(sum) >= NEVER { NEVER } else { sum + cost })
    }

    /// Completions of every state.
    fn relaxed(&self, scarcity: Scarcity) -> Relaxed {
        let models = self.parts.len();
        let mut relaxed = Relaxed {
            scarcity,
            gate: vec![0; models + 1],
            running: Vec::with_capacity(models),
            ended: Vec::with_capacity(models),
            items: Vec::with_capacity(models),
            ends: Vec::with_capacity(models),
            entered: self.entered(scarcity),
            whole: scarcity.of(self.limits()) + 1,
        };
        for (model, part) in self.parts.iter().enumerate().rev() {
            let gate = relaxed.gate[model + 1];
            let count = part.layers.len();
            let cheapest = |at: usize| cheapest_item(part, at, scarcity);
            let items: Vec<Option<(i64, usize)>> = (0..count).map(cheapest).collect();
            let ends = part.layers.iter().map(|layer| scarcity.cheapest_send(&layer.ends));
            let ends: Vec<(i64, usize)> = ends.collect();
            let (mut running, mut ended) = (vec![NEVER; count], vec![NEVER; count]);
            // By layer: of a run that begins there; two more than there are layers.
            let mut begun = vec![NEVER; count + 2];
            // The cheapest of the runs that begin two layers after this one, or later: one that
            // begins at the next layer would be the same run.
            let mut later = NEVER;
            for at in (0..count).rev() {
                let layer = &part.layers[at];
                later = later.min(begun[at + 2]);
                ended[at] = gate.min(if self.question.is_contiguous() { NEVER } else { later });
                let Some((own, _)) = items[at] else { continue };
                let stop = ends[at].0 + ended[at];
                let go_on = items.get(at + 1).copied().flatten();
                running[at] = go_on.map_or(stop, |(next, _)| stop.min(next + running[at + 1]));
                begun[at] = layer.begin + own + running[at];
            }
            let begun = begun.into_iter().min().unwrap_or(NEVER);
            let activation = scarcity.of_bytes(part.activation) + part.activation_cost;
            relaxed.gate[model] = gate.min(begun + activation);
            relaxed.running.push(running);
            relaxed.ended.push(ended);
            relaxed.ends.push(ends);
            relaxed.items.push(items.iter().map(|item| item.map(|(_, index)| index)).collect());
        }
        relaxed.running.reverse();
        relaxed.ended.reverse();
        relaxed.items.reverse();
        relaxed.ends.reverse();
        relaxed
    }

    /// By model and layer: no configuration that holds the layer costs less; [`NEVER`] or more if
    /// none does.
    pub(super) fn through(&self, relaxed: &Relaxed) -> Vec<Vec<i64>> {
        let outside = self.outside(relaxed);
        let mut gate = 0;
        let mut through = Vec::with_capacity(self.parts.len());
        for (model, part) in self.parts.iter().enumerate() {
            let activation = relaxed.scarcity.of_bytes(part.activation) + part.activation_cost;
            let unused = gate + activation;
            let (mut running, mut row) = (NEVER, Vec::with_capacity(part.layers.len()));
            // Of runs that ended two layers ago or before, and one layer ago.
            let (mut ended, mut ending) = (NEVER, NEVER);
            for (at, layer) in part.layers.iter().enumerate() {
                let own = relaxed.items[model][at]
                    .map(|index| priced(part, at, &layer.items[index], relaxed.scarcity));
                let from = unused.min(if self.question.is_contiguous() { NEVER } else { ended });
                running = match own {
                    Some(own) => running.min(from + layer.begin) + own,
                    None => NEVER,
                };
                ended = ended.min(ending);
                let end = relaxed.ends[model][at].0;
                ending = if own.is_some() { running + end } else { NEVER };
                gate = gate.min(ending);
                let rest = relaxed.running[model][at];
                row.push(if own.is_some() { running + rest + outside } else { NEVER });
            }
            through.push(row);
        }
        // What follows the last model is nothing; what follows the others was in `running`.
        through
    }

    /// What an item costs more than the layer's cheapest.
    pub(super) fn more(&self, relaxed: &Relaxed, model: usize, at: usize, item: &Item) -> i64 {
        let part = &self.parts[model];
        let cheapest = relaxed.items[model][at]
            .map_or(0, |index| priced(part, at, &part.layers[at].items[index], relaxed.scarcity));
        priced(part, at, item, relaxed.scarcity) - cheapest
    }

    /// The cheapest configuration of the relaxation, and the bytes that the relaxation counts.
    fn cheapest(&self, relaxed: &Relaxed) -> (Configuration, u64) {
        let (mut held, mut sends) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for into in &self.entries {
            sends.extend(into[relaxed.scarcity.cheapest_send(into).1].arc);
        }
        for (model, part) in self.parts.iter().enumerate() {
            if relaxed.gate[model] == relaxed.gate[model + 1] {
                continue;
            }
            let activation = relaxed.scarcity.of_bytes(part.activation) + part.activation_cost;
            let mut target = relaxed.gate[model] - activation;
            bytes += part.activation;
            let mut at = 0;
            while let Some(begin) = self.run_at(relaxed, model, at, target) {
                at = begin;
                loop {
                    let layer = &part.layers[at];
                    let index = relaxed.items[model][at].expect("a run holds what is allowed");
                    let item = &layer.items[index];
                    held.push(Held { slot: layer.slot as u32, choice: item.choice });
                    bytes += item.bytes + counted(part, at, item).0;
                    let (end, index) = relaxed.ends[model][at];
                    if relaxed.running[model][at] == end + relaxed.ended[model][at] {
                        sends.extend(layer.ends.get(index).and_then(|end| end.arc));
                        break;
                    }
                    at += 1;
                }
                target = relaxed.ended[model][at];
                if target == relaxed.gate[model + 1] {
                    break;
                }
                at += 2;
            }
        }
        (Configuration { device: self.device, held, sends }, bytes)
    }

    /// The first layer from `at` whose run costs that much with all that follows.
    fn run_at(&self, relaxed: &Relaxed, model: usize, at: usize, target: i64) -> Option<usize> {
        let part = &self.parts[model];
        (at..part.layers.len()).find(|&at| {
            let Some(index) = relaxed.items[model][at] else { return false };
            let layer = &part.layers[at];
            let own = priced(part, at, &layer.items[index], relaxed.scarcity);
            layer.begin + own + relaxed.running[model][at] == target
        })
    }
}

/// The layer's cheapest item and what it costs.
fn cheapest_item(part: &Part, at: usize, scarcity: Scarcity) -> Option<(i64, usize)> {
    let layer: &Layer = &part.layers[at];
    let costs = layer.items.iter().enumerate();
    costs.map(|(index, item)| (priced(part, at, item, scarcity), index)).min()
}

/// What an item costs with its memory and time.
fn priced(part: &Part, at: usize, item: &Item, scarcity: Scarcity) -> i64 {
    let (bytes, cost) = counted(part, at, item);
    let taken = Taken { bytes: item.bytes + bytes, time: item.time, ..Taken::default() };
    item.value + cost + scarcity.of(taken)
}

/// Bytes and cost of an item's shared tensor, where nothing before can have stored it.
fn counted(part: &Part, at: usize, item: &Item) -> (u64, i64) {
    match item.shared.map(usize::from) {
        Some(shared) if part.first_user[shared] == at => part.shared[shared],
        _ => (0, 0),
    }
}

/// Where the slopes of two points cross: the next price to try, strictly between the two.
fn crossing(low: Point, high: Point) -> Option<u64> {
    let (rise, fall) = (low.excess as f64, -high.excess as f64);
    if !(rise > 0.0 && fall > 0.0) {
        return None;
    }
    // low.bound + rise * t = high.bound + fall * (width - t), t in units of price.
    let width = (high.price - low.price) as f64;
    let unit = (1u64 << FRACTION) as f64;
    let difference = (high.bound - low.bound) as f64 * unit;
    let step = (difference + fall * width) / (rise + fall);
    let step = if step.is_finite() { step } else { width / 2.0 };
    let least = low.price + 1;
    let price = low.price.saturating_add(step.max(0.0) as u64).clamp(least, high.price - 1);
    (price > low.price && price < high.price).then_some(price)
}
