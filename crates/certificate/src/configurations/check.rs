//! The door of the checker of configurations, and what things cost at a certificate's prices.

use edgeplan_problem::Cost;
use edgeplan_problem::deployment::{Deployment, DeviceId, Model, Objective, OptionId};

use super::{ConfigurationCertificate, MULTIPLIER_BITS, Resource, contents, ways};
use crate::check::{SCALE_BITS_MAX, not_above, settled};
use crate::scale::capped;
use crate::size::{WORK_MAX, within};
use crate::{NONE, Rejected};

/// Steps of a device, and of all.
const STEPS_PER_DEVICE: u128 = 1 << 18;
const STEPS_MAX: u128 = 1 << 23;
/// A sum above this contains [`NONE`], however much was taken off it.
const NONE_HALF: i128 = NONE / 2;

/// [`NONE`] for whatever contains it.
pub(super) fn none_above(cost: i128) -> i128 {
    if cost > NONE_HALF { NONE } else { cost }
}

/// Checks a certificate over configurations and returns what it proves, at least what it claims.
/// `known` is the cost of a plan that `evaluate()` found feasible, if there is one.
///
/// # Errors
/// When it proves less, nothing at all, or more than the known plan costs; when checking it would
/// take more memory or time than is allowed.
///
/// # Complexity
/// O(devices * options * steps + models * layers * devices^2) time, O(steps) memory.
pub fn check_configurations(
    instance: &Deployment,
    certificate: &ConfigurationCertificate,
    known: Option<Cost>,
) -> Result<Cost, Rejected> {
    if instance.has_hosts() {
        let text = "hosts of several devices, and blocks in parts, cannot be checked";
        return Err(Rejected::Unsupported(text));
    }
    shaped(instance, certificate)?;
    allowed(instance, certificate)?;
    instance.clone().checked().map_err(|invalid| Rejected::Instance(invalid.to_string()))?;
    not_above(certificate.lower_bound, known)?;
    let proven = Priced::new(instance, certificate).bound();
    settled(certificate.lower_bound, proven, known)
}

/// Whether the lists are those of an instance of that size, and multipliers have limits to pay for.
fn shaped(instance: &Deployment, certificate: &ConfigurationCertificate) -> Result<(), Rejected> {
    let malformed = |text| Err(Rejected::Malformed(text));
    let (devices, models) = (instance.devices.len(), &instance.models);
    let fits = |prices: &Vec<Vec<Vec<i64>>>| {
        let layers = |(rows, model): (&Vec<Vec<i64>>, &Model)| {
            rows.len() == model.layers.len() && rows.iter().all(|row| row.len() == devices)
        };
        prices.len() == models.len() && prices.iter().zip(models).all(layers)
    };
    let ConfigurationCertificate { compute_price, sending_price, .. } = certificate;
    let by_device = [
        compute_price,
        sending_price,
        &certificate.traffic_price,
        &certificate.within_price,
        &certificate.unit,
    ];
    let by_model = [&certificate.loss_price, &certificate.latency_price];
    if !fits(&certificate.begin)
        || !fits(&certificate.end)
        || by_device.iter().any(|prices| prices.len() != devices)
        || by_model.iter().any(|prices| prices.len() != models.len())
        || certificate.counted.len() != devices
    {
        return malformed("not as many prices as models, layers and devices");
    }
    if certificate.scale_bits > SCALE_BITS_MAX {
        return malformed("a scale of more than 40 bits");
    }
    if certificate.unit.contains(&0) {
        return malformed("a step of 0");
    }
    let compute_max = limits(instance, certificate.lower_bound).compute;
    let unlimited = |(&counted, limit): (&Resource, &Option<u64>)| {
        counted == Resource::Compute && limit.is_none()
    };
    if certificate.counted.iter().zip(&compute_max).any(unlimited) {
        return malformed("steps of compute where it has no limit");
    }
    let free = |prices: &[u64], is_limited: &dyn Fn(usize) -> bool| {
        prices.iter().enumerate().any(|(at, &price)| price > 0 && !is_limited(at))
    };
    let is_bottleneck = instance.objective == Objective::Bottleneck;
    let limits_sending = is_bottleneck || instance.bottleneck_max.is_some();
    if free(&certificate.loss_price, &|at| models[at].loss_max.is_some())
        || free(&certificate.latency_price, &|_| instance.latency_max.is_some())
        || free(compute_price, &|_| is_bottleneck)
        || free(sending_price, &|_| limits_sending)
        || free(&certificate.traffic_price, &|at| instance.devices[at].traffic_max.is_some())
        || free(&certificate.within_price, &|at| {
            certificate.counted[at] == Resource::Compute || compute_max[at].is_some()
        })
    {
        return malformed("a price of what has no limit");
    }
    let shares = compute_price.iter().chain(sending_price).map(|&price| u128::from(price));
    let one = 1u128 << (certificate.scale_bits + MULTIPLIER_BITS);
    if is_bottleneck && shares.sum::<u128>() > one {
        return malformed("shares of a bottleneck that are more than one");
    }
    Ok(())
}

/// Refuses what would take more memory or time than is allowed.
fn allowed(instance: &Deployment, certificate: &ConfigurationCertificate) -> Result<(), Rejected> {
    let models = || instance.models.iter();
    let layers = models().map(|model| model.layers.len() as u128).sum::<u128>();
    let options = models().flat_map(|model| &model.layers);
    let options = options.map(|layer| layer.options.len() as u128).sum::<u128>();
    let mut steps = 0u128;
    let compute_max = limits(instance, certificate.lower_bound).compute;
    for (at, device) in instance.devices.iter().enumerate() {
        let limit = match certificate.counted[at] {
            Resource::Memory => device.memory.0,
            Resource::Compute => compute_max[at].unwrap_or(0),
        };
        let width = u128::from(limit / certificate.unit[at]) + 1;
        within("steps of a device", width, STEPS_PER_DEVICE)?;
        steps += width;
    }
    within("steps", steps, STEPS_MAX)?;
    let devices = instance.devices.len() as u128;
    // Each option is tried from four states; each arc looks through the options of its ends.
    let contents = steps.saturating_mul(4 * options + 4 * layers);
    let ways = devices.saturating_mul(devices).saturating_mul(layers + options);
    within("operations", contents.saturating_add(ways), WORK_MAX)
}

/// What plans that cost less than a claim keep.
struct Limits {
    /// Compute time per round, by device.
    compute: Vec<Option<u64>>,
    /// Sending time per round of each device.
    sending: Option<u64>,
}

fn limits(instance: &Deployment, claim: Cost) -> Limits {
    let is_bottleneck = instance.objective == Objective::Bottleneck;
    let cycle = is_bottleneck.then(|| claim.0.saturating_sub(1));
    let own = instance.bottleneck_max.map(|limit| limit.0);
    let least = |limits: [Option<u64>; 3]| limits.into_iter().flatten().min();
    let compute = |max: Option<u64>| least([max, cycle, own]);
    let devices = instance.devices.iter();
    Limits {
        compute: devices.map(|device| compute(device.compute_max.map(|max| max.0))).collect(),
        sending: least([cycle, own, None]),
    }
}

/// A layer held in some way.
pub(super) struct Item {
    /// What it costs, scaled.
    pub(super) cost: i128,
    /// Steps that it takes.
    pub(super) steps: u64,
}

/// What a device has for its layers.
pub(super) struct Room {
    /// Steps, beside the first.
    pub(super) steps: u64,
    /// What the limit on what is not counted is worth, scaled.
    pub(super) worth: i128,
}

/// An instance and the prices of a certificate whose numbers are allowed.
pub(super) struct Priced<'a> {
    pub(super) instance: &'a Deployment,
    pub(super) certificate: &'a ConfigurationCertificate,
    /// A device sends no longer than this per round.
    pub(super) sending_max: Option<u64>,
    /// By device: it computes no longer than this per round.
    compute_max: Vec<Option<u64>>,
    /// By model, by shared tensor: the first layer that has an option with it.
    first_user: Vec<Vec<Option<usize>>>,
}

impl<'a> Priced<'a> {
    fn new(instance: &'a Deployment, certificate: &'a ConfigurationCertificate) -> Self {
        let Limits { compute, sending } = limits(instance, certificate.lower_bound);
        let first_user = |model: &Model| {
            let mut first = vec![None; model.shared.len()];
            for (at, layer) in model.layers.iter().enumerate().rev() {
                for shared in layer.options.iter().filter_map(|option| option.shared) {
                    first[shared] = Some(at);
                }
            }
            first
        };
        let first_user = instance.models.iter().map(first_user).collect();
        Self { instance, certificate, sending_max: sending, compute_max: compute, first_user }
    }

    /// No plan costs less.
    fn bound(&self) -> Cost {
        let (models, devices) = (0..self.instance.models.len(), self.instance.device_ids());
        let ways: Vec<i128> = models.map(|model| ways::cheapest(self, model)).collect();
        let claim = self.certificate.lower_bound;
        // What holds of plans that cost less than the claim of a bottleneck.
        let below = |bound: Cost| match self.instance.objective {
            Objective::Bottleneck => bound.min(claim),
            Objective::Latency | Objective::Memory => bound,
        };
        if ways.iter().any(|&way| way >= NONE) {
            return below(Cost::MAX);
        }
        let contents: i128 = devices.map(|device| contents::cheapest(self, device)).sum();
        let bound = ways.iter().sum::<i128>() + contents - self.returned();
        let unit = 1i128 << self.certificate.scale_bits;
        // Costs are whole: rounded up.
        let whole = bound.div_euclid(unit) + i128::from(bound.rem_euclid(unit) > 0);
        match whole > self.most() {
            true => below(Cost::MAX),
            false => below(Cost(u64::try_from(whole.max(0)).unwrap_or(u64::MAX))),
        }
    }

    /// What the limits are worth, rounded up.
    fn returned(&self) -> i128 {
        let Self { instance, certificate, .. } = self;
        let mut sum = 0i128;
        let mut add = |price: u64, limit: Option<u64>| sum += worth(price, limit.unwrap_or(0));
        for (model, &price) in instance.models.iter().zip(&certificate.loss_price) {
            add(price, model.loss_max.map(|limit| limit.0));
        }
        for &price in &certificate.latency_price {
            add(price, instance.latency_max.map(|limit| limit.0));
        }
        for (device, &price) in instance.devices.iter().zip(&certificate.traffic_price) {
            add(price, device.traffic_max.map(|limit| limit.0));
        }
        if instance.objective != Objective::Bottleneck {
            for &price in &certificate.sending_price {
                add(price, instance.bottleneck_max.map(|limit| limit.0));
            }
        }
        sum
    }

    /// What a device has for its layers; none if not even its overhead fits.
    pub(super) fn room(&self, device: DeviceId) -> Option<Room> {
        let (at, spec) = (device.index(), self.instance.device(device));
        let memory = spec.memory.0.checked_sub(spec.overhead.0)?;
        let compute = self.compute_max[at].unwrap_or(0);
        let (limit, other) = match self.certificate.counted[at] {
            Resource::Memory => (memory, compute),
            Resource::Compute => (compute, memory),
        };
        let worth = worth(self.certificate.within_price[at], other);
        Some(Room { steps: limit / self.certificate.unit[at], worth })
    }

    /// Steps and scaled cost of what a device takes, beside what the objective says.
    pub(super) fn taken(&self, device: DeviceId, bytes: u64, time: u128) -> Item {
        let at = device.index();
        let price = self.certificate.within_price[at];
        let unit = u128::from(self.certificate.unit[at]);
        let (counted, other) = match self.certificate.counted[at] {
            Resource::Memory => (bytes.into(), time),
            Resource::Compute => (time, bytes.into()),
        };
        let steps = u64::try_from(counted / unit).unwrap_or(u64::MAX);
        Item { cost: self.paid(price, other), steps }
    }

    /// The options of a layer that a device can run and hold.
    pub(super) fn options(
        &self,
        index: usize,
        layer: usize,
        device: DeviceId,
    ) -> impl Iterator<Item = Item> {
        let (model, certificate) = (&self.instance.models[index], self.certificate);
        let room = self.instance.room(device, model);
        let spec = &model.layers[layer];
        let item = move |id: OptionId| {
            let time = model.compute(layer, device, id)?;
            let option = &spec.options[id.index()];
            let first = |&shared: &usize| self.first_user[index][shared] == Some(layer);
            let shared = option.shared.filter(first).map_or(0, |shared| model.shared[shared].0);
            let bytes = option.bytes.0 + spec.kv.0 + shared;
            let weighted = u128::from(time.0) * u128::from(model.weight);
            let max = self.compute_max[device.index()];
            // What alone breaks a limit is in no plan.
            let fits = room.is_some_and(|room| bytes <= room.0)
                && max.is_none_or(|max| weighted <= max.into())
                && model.loss_max.is_none_or(|max| option.loss <= max)
                && self.instance.latency_max.is_none_or(|max| time <= max);
            let own = match self.instance.objective {
                Objective::Latency => self.scaled(weighted),
                Objective::Memory => self.scaled(bytes.into()),
                Objective::Bottleneck => 0,
            };
            let at = device.index();
            let cost = own
                + self.paid(certificate.loss_price[index], option.loss.0.into())
                + self.paid(certificate.latency_price[index], time.0.into())
                + self.paid(certificate.compute_price[at], weighted);
            let taken = self.taken(device, bytes, weighted);
            fits.then_some(Item { cost: cost + taken.cost, ..taken })
        };
        model.option_ids(layer).filter_map(item)
    }

    /// A multiplier times an amount, rounded down.
    pub(super) fn paid(&self, price: u64, amount: u128) -> i128 {
        capped((u128::from(price).saturating_mul(amount)) >> MULTIPLIER_BITS)
    }

    /// A cost in scaled units.
    pub(super) fn scaled(&self, cost: u128) -> i128 {
        capped(cost.min(1 << 80) << self.certificate.scale_bits)
    }

    /// No plan costs more: a bound above it says that there is none.
    fn most(&self) -> i128 {
        let mut most = 0u128;
        for model in &self.instance.models {
            let weight = u128::from(model.weight);
            let tied = model.shared.iter().map(|bytes| u128::from(bytes.0)).max().unwrap_or(0);
            let times = model.messages.iter().flat_map(|message| message.time.iter().flatten());
            let sent = times.map(|time| u128::from(time.0)).max().unwrap_or(0);
            for layer in &model.layers {
                let computes =
                    layer.options.iter().flat_map(|option| option.compute.iter().flatten());
                let computed = computes.map(|time| u128::from(time.0)).max().unwrap_or(0);
                let stored = layer.options.iter().map(|option| u128::from(option.bytes.0)).max();
                most += match self.instance.objective {
                    Objective::Memory => stored.unwrap_or(0) + u128::from(layer.kv.0) + tied,
                    Objective::Latency | Objective::Bottleneck => weight * (computed + sent),
                };
            }
            // The ways in and out are one message more than layers.
            most += match self.instance.objective {
                Objective::Memory => {
                    u128::from(model.activation.0) * self.instance.devices.len() as u128
                }
                Objective::Latency | Objective::Bottleneck => weight * sent,
            };
        }
        if self.instance.objective == Objective::Memory {
            let devices = self.instance.devices.iter();
            most += devices.map(|device| u128::from(device.overhead.0)).sum::<u128>();
        }
        i128::try_from(most).unwrap_or(i128::MAX)
    }
}

/// A multiplier times a limit, rounded up.
fn worth(price: u64, limit: u64) -> i128 {
    let product = (u128::from(price) * u128::from(limit)).div_ceil(1 << MULTIPLIER_BITS);
    // Below 2^104.
    product as i128
}
