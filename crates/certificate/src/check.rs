//! The checker: one pass over (layer, device, remembered devices, memory left), last layer first.
//!
//! Every plan is a path of this relaxation, at no more than its cost: loss is priced against the
//! budget, a device's second visit against its first, memory left is rounded up, a tensor that
//! layers share is not counted. So the least path is a bound whatever the prices are.

use edgeplan_problem::Cost;
use edgeplan_problem::deployment::{Deployment, DeviceId, Model, Objective, OptionId, Placement};

use crate::{Certificate, LOSS_PARTS};

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The checker does not know such instances.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The certificate is not of this instance's size, or its numbers make no sense.
    #[error("{0}")]
    Malformed(&'static str),
    /// The prices prove less than is claimed.
    #[error("it claims {claimed}, its prices prove {proven}")]
    Unproven {
        /// The claim.
        claimed: Cost,
        /// What the checker found.
        proven: Cost,
    },
}

/// No path.
const NONE: i128 = i128::MAX / 4;
/// Remembered devices per device, at most: rows double with each.
const REMEMBERED_MAX: usize = 16;
/// Steps of a device's grid, at most.
const STEPS_MAX: u64 = 1 << 20;

/// Checks a certificate; what it proves is at least what it claims.
///
/// # Errors
/// When it proves less, or nothing at all.
///
/// # Complexity
/// O(layers * rows * (options * steps + devices)), rows being devices times remembered subsets.
pub fn check(instance: &Deployment, certificate: &Certificate) -> Result<Cost, Rejected> {
    let checker = Checker::new(instance, certificate)?;
    let proven = checker.bound();
    match proven >= certificate.lower_bound {
        true => Ok(proven),
        false => Err(Rejected::Unproven { claimed: certificate.lower_bound, proven }),
    }
}

struct Checker<'a> {
    instance: &'a Deployment,
    model: &'a Model,
    certificate: &'a Certificate,
}

/// What follows a layer on a device, by remembered subset and step.
type Rows = Vec<Vec<Vec<i128>>>;

impl<'a> Checker<'a> {
    fn new(instance: &'a Deployment, certificate: &'a Certificate) -> Result<Self, Rejected> {
        let [model] = instance.models.as_slice() else {
            return Err(Rejected::Unsupported("only one model can be checked"));
        };
        if instance.placement != Placement::Contiguous {
            return Err(Rejected::Unsupported("only contiguous placement can be checked"));
        }
        if instance.objective == Objective::Bottleneck {
            return Err(Rejected::Unsupported("a bottleneck cannot be checked"));
        }
        let devices = instance.devices.len();
        let Certificate { visit_price, remembered, unit, reference, .. } = certificate;
        let lists = [visit_price.len(), remembered.len(), unit.len(), reference.len()];
        if lists.iter().any(|&length| length != devices) {
            return Err(Rejected::Malformed("not as many entries as devices"));
        }
        if reference.iter().any(|layers| layers.len() != model.layers.len()) {
            return Err(Rejected::Malformed("not as many references as layers"));
        }
        if certificate.scale_bits > 40 || visit_price.iter().any(|&price| price > 1 << 60) {
            return Err(Rejected::Malformed("a price or scale is out of range"));
        }
        if reference.iter().flatten().any(|&bytes| bytes > 1 << 60) {
            return Err(Rejected::Malformed("a reference is out of range"));
        }
        let strange = |(own, set): (usize, &Vec<usize>)| {
            let mut sorted = set.clone();
            sorted.sort_unstable();
            sorted.dedup();
            set.len() > REMEMBERED_MAX
                || sorted.len() != set.len()
                || set.iter().any(|&device| device >= devices || device == own)
        };
        if remembered.iter().enumerate().any(strange) {
            return Err(Rejected::Malformed("a list of remembered devices makes no sense"));
        }
        let checker = Self { instance, model, certificate };
        let fine = |device: usize| {
            let room = checker.room(device).unwrap_or(0);
            unit[device] > 0 && room / unit[device] <= STEPS_MAX
        };
        if !(0..devices).all(fine) {
            return Err(Rejected::Malformed("a unit of memory is zero or too fine"));
        }
        Ok(checker)
    }

    /// Bytes for layers on a device.
    fn room(&self, device: usize) -> Option<u64> {
        self.instance.room(DeviceId(device as u16), self.model).map(|bytes| bytes.0)
    }

    fn scaled(&self, cost: u64) -> i128 {
        i128::from(cost) << self.certificate.scale_bits
    }

    /// Priced cost and bytes of the usable options of a layer on a device.
    fn options(&self, layer: usize, device: usize) -> Vec<(i128, u64)> {
        let Some(room) = self.room(device) else { return Vec::new() };
        let priced = |id: OptionId| {
            let time = self.model.compute(layer, DeviceId(device as u16), id)?.0;
            let spec = &self.model.layers[layer];
            let option = &spec.options[id.index()];
            let bytes = option.bytes.0 + spec.kv.0;
            let cost = match self.instance.objective {
                Objective::Memory => bytes,
                _ => time * u64::from(self.model.weight),
            };
            let loss = i128::from(option.loss.0) * i128::from(self.certificate.loss_price);
            let priced = self.scaled(cost) + loss.div_euclid(i128::from(LOSS_PARTS));
            (bytes <= room).then_some((priced, bytes))
        };
        self.model.option_ids(layer).filter_map(priced).collect()
    }

    /// Cost of a message that takes that time and leads to a device, the visit included.
    fn arrive(&self, time: Option<edgeplan_problem::Nanos>, device: usize) -> Option<i128> {
        let cost = match self.instance.objective {
            Objective::Memory => self.instance.devices[device].overhead.0 + self.model.activation.0,
            _ => time?.0 * u64::from(self.model.weight),
        };
        time?;
        Some(self.scaled(cost) + i128::from(self.certificate.visit_price[device]))
    }

    fn leave(&self, device: usize) -> i128 {
        match (self.instance.leave(self.model, DeviceId(device as u16)), self.instance.objective) {
            (None, _) => NONE,
            (Some(_), Objective::Memory) => 0,
            (Some(time), _) => self.scaled(time.0 * u64::from(self.model.weight)),
        }
    }

    /// What a path remembers on `to` that remembered `subset` on `from`; none if it may not move.
    fn remember(&self, from: usize, subset: usize, to: usize) -> Option<usize> {
        let known = &self.certificate.remembered[from];
        let holds = |device: usize| {
            known
                .iter()
                .position(|&other| other == device)
                .is_some_and(|bit| subset >> bit & 1 == 1)
        };
        let wanted = self.certificate.remembered[to].iter().enumerate();
        (!holds(to)).then(|| {
            wanted.map(|(bit, &device)| usize::from(device == from || holds(device)) << bit).sum()
        })
    }

    /// The least path of all.
    fn bound(&self) -> Cost {
        let (layers, devices) = (self.model.layers.len(), self.instance.devices.len());
        let sums: Vec<Vec<u64>> = (0..devices).map(|device| self.sums(device)).collect();
        let mut rest: Rows = Vec::new();
        let mut arriving: Vec<Vec<i128>> = Vec::new();
        for layer in (0..layers).rev() {
            let row = |device: usize, subset: usize| {
                self.row((layer, device, subset), &sums[device], &rest, &arriving)
            };
            let rows: Rows = (0..devices)
                .map(|device| {
                    let subsets = 1 << self.certificate.remembered[device].len();
                    (0..subsets).map(|subset| row(device, subset)).collect()
                })
                .collect();
            arriving = (0..devices)
                .map(|device| {
                    let start = |row: &Vec<i128>| self.start((layer, device), &sums[device], row);
                    rows[device].iter().map(start).collect()
                })
                .collect();
            rest = rows;
        }
        let enter = |device: usize| {
            let time = self.instance.enter(self.model, DeviceId(device as u16));
            self.arrive(time, device).map_or(NONE, |cost| cost + arriving[device][0])
        };
        let least = (0..devices).map(enter).min().unwrap_or(NONE);
        if least >= NONE {
            return Cost::MAX;
        }
        let bound = least - self.budget();
        let unit = 1i128 << self.certificate.scale_bits;
        Cost(u64::try_from((bound + unit - 1).div_euclid(unit).max(0)).unwrap_or(u64::MAX))
    }

    /// The prices of all that is allowed, rounded up.
    fn budget(&self) -> i128 {
        let visits =
            self.certificate.visit_price.iter().map(|&price| i128::from(price)).sum::<i128>();
        let loss = match (self.model.loss_max, self.certificate.loss_price) {
            (_, 0) => 0,
            // Without a budget there is nothing to price.
            (None, _) => NONE,
            (Some(max), price) => {
                let parts = i128::from(LOSS_PARTS);
                (i128::from(max.0) * i128::from(price) + parts - 1).div_euclid(parts)
            }
        };
        visits + loss
    }

    /// By layer: bytes of the references up to it.
    fn sums(&self, device: usize) -> Vec<u64> {
        let bytes = self.certificate.reference[device].iter();
        bytes
            .scan(0u64, |sum, &bytes| {
                *sum = sum.saturating_add(bytes);
                Some(*sum)
            })
            .collect()
    }

    /// Cost of all that follows a layer on a device, by step.
    fn row(
        &self,
        (layer, device, subset): (usize, usize, usize),
        sums: &[u64],
        rest: &Rows,
        arriving: &[Vec<i128>],
    ) -> Vec<i128> {
        let unit = self.certificate.unit[device];
        let width = (self.room(device).unwrap_or(0) / unit) as usize + 3;
        let first = usize::from(!sums[layer].is_multiple_of(unit));
        let mut row = vec![NONE; width];
        if layer + 1 == self.model.layers.len() {
            row[first..].fill(self.leave(device));
            return row;
        }
        let id = DeviceId(device as u16);
        let moves = (0..self.instance.devices.len()).filter(|&to| to != device).filter_map(|to| {
            let next = self.remember(device, subset, to)?;
            let time = self.instance.transfer(self.model, layer, id, DeviceId(to as u16));
            Some(self.arrive(time, to)? + arriving[to][next])
        });
        row[first..].fill(moves.min().unwrap_or(NONE).min(NONE));
        let moved = (sums[layer + 1] / unit) as i64 - (sums[layer] / unit) as i64;
        let reference = self.certificate.reference[device][layer + 1] as i64;
        for (cost, bytes) in self.options(layer + 1, device) {
            let shift = moved + (bytes as i64 - reference).div_euclid(unit as i64);
            for (step, value) in row.iter_mut().enumerate().skip(first) {
                let Ok(to) = usize::try_from(step as i64 - shift) else { continue };
                *value = (*value).min(cost + rest[device][subset][to.min(width - 1)]);
            }
        }
        row.iter_mut().for_each(|value| *value = (*value).min(NONE));
        row
    }

    /// Cost of a layer and all that follows, with the device's whole memory.
    fn start(&self, (layer, device): (usize, usize), sums: &[u64], row: &[i128]) -> i128 {
        let unit = self.certificate.unit[device];
        let room = self.room(device).unwrap_or(0);
        let cost = |(cost, bytes): (i128, u64)| {
            let step = (room - bytes + sums[layer] % unit).div_ceil(unit) as usize;
            (cost + row[step]).min(NONE)
        };
        self.options(layer, device).into_iter().map(cost).min().unwrap_or(NONE)
    }
}
