//! Instances of any numbers, their plans, and lower bounds that are claimed of them.

use arbitrary::{Result, Unstructured};
use edgeplan_certificate::{
    Certificate, ConfigurationCertificate, HostCertificate, Resource, check, check_configurations,
    check_hosts,
};
use edgeplan_families::{Random, random};
use edgeplan_files::deployment::{PlanFile, read_instance, write_instance};
use edgeplan_problem::deployment::{Deployment, DeviceId, HostId, Objective, Placement};
use edgeplan_problem::{Bytes, Cost, Loss, Nanos, Problem as _};

use crate::samples;

/// More plans than these are not enumerated.
const PLANS_MAX: u64 = 600;

/// Mostly small numbers, which collide, and now and then any.
fn number(noise: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match noise.arbitrary::<u8>()? {
        kind @ 0..=99 => u64::from(kind % 10),
        100..=199 => u64::from(noise.arbitrary::<u16>()?),
        200..=229 => 1 << noise.int_in_range(0..=63)?,
        230..=239 => u64::MAX - u64::from(noise.arbitrary::<u8>()?),
        _ => noise.arbitrary()?,
    })
}

fn numbers(noise: &mut Unstructured<'_>, count: usize) -> Result<Vec<u64>> {
    (0..count).map(|_| number(noise)).collect()
}

/// What is remembered on each of so many devices, or hosts: any of them, itself among them.
fn remembered(noise: &mut Unstructured<'_>, count: usize) -> Result<Vec<Vec<usize>>> {
    let mut sets = vec![Vec::new(); count];
    for set in &mut sets {
        for other in 0..count {
            if noise.ratio(1, 3)? {
                set.push(other);
            }
        }
    }
    Ok(sets)
}

fn maybe(noise: &mut Unstructured<'_>) -> Result<Option<u64>> {
    if noise.ratio(1, 4)? { number(noise).map(Some) } else { Ok(None) }
}

/// An instance of a few layers and devices, most of its numbers replaced.
fn instance(noise: &mut Unstructured<'_>) -> Result<Deployment> {
    let family = Random {
        layers: noise.int_in_range(1..=4)?,
        devices: noise.int_in_range(1..=3)?,
        formats: noise.int_in_range(1..=2)?,
        objective: *noise.choose(&[
            Objective::Latency,
            Objective::Memory,
            Objective::Bottleneck,
        ])?,
        placement: *noise.choose(&[Placement::Contiguous, Placement::Free])?,
        ..Random::default()
    };
    let mut instance = random(&family);
    instance.latency_max = maybe(noise)?.map(Nanos);
    instance.bottleneck_max = maybe(noise)?.map(Nanos);
    instance.source = DeviceId(noise.int_in_range(0..=family.devices as u16 - 1)?);
    for device in &mut instance.devices {
        device.memory = Bytes(number(noise)?);
        device.overhead = Bytes(number(noise)?);
        device.compute_max = maybe(noise)?.map(Nanos);
        device.traffic_max = maybe(noise)?.map(Bytes);
    }
    let model = &mut instance.models[0];
    model.loss_max = maybe(noise)?.map(Loss);
    model.activation = Bytes(number(noise)?);
    for message in &mut model.messages {
        message.bytes = Bytes(number(noise)?);
        for (index, time) in message.time.iter_mut().enumerate() {
            let diagonal = index % (family.devices + 1) == 0;
            *time = if diagonal { *time } else { Some(Nanos(number(noise)?)) };
        }
    }
    for layer in &mut model.layers {
        layer.kv = Bytes(number(noise)?);
        layer.pin = if noise.ratio(1, 8)? {
            Some(DeviceId(noise.int_in_range(0..=family.devices as u16 - 1)?))
        } else {
            None
        };
        for option in &mut layer.options {
            (option.bytes, option.loss) = (Bytes(number(noise)?), Loss(number(noise)?));
            for time in &mut option.compute {
                *time = if noise.ratio(1, 8)? { None } else { Some(Nanos(number(noise)?)) };
            }
        }
    }
    Ok(instance)
}

/// The certificate that the rest of the input is for an instance.
fn claim(noise: &mut Unstructured<'_>, instance: &Deployment) -> Result<Certificate> {
    let (devices, layers) = (instance.devices.len(), instance.models[0].layers.len());
    Ok(Certificate {
        lower_bound: Cost(number(noise)?),
        scale_bits: noise.int_in_range(0..=41)?,
        loss_price: number(noise)?,
        visit_price: numbers(noise, devices)?,
        remembered: remembered(noise, devices)?,
        unit: numbers(noise, devices)?,
        reference: (0..devices).map(|_| numbers(noise, layers)).collect::<Result<_>>()?,
    })
}

/// Groups devices to hosts and layers to blocks.
fn grouped(noise: &mut Unstructured<'_>, instance: &mut Deployment) -> Result<()> {
    instance.objective = Objective::Latency;
    instance.placement = Placement::Contiguous;
    instance.hosts = vec!["pc".into(), "server".into()];
    for device in &mut instance.devices {
        let host = noise.int_in_range(0..=2)?;
        device.host = (host < 2).then_some(HostId(host));
    }
    for layer in instance.models[0].layers.iter_mut().skip(1) {
        layer.joined = noise.ratio(1, 3)?;
    }
    Ok(())
}

/// The certificate over hosts that the rest of the input is for an instance.
fn over_hosts(noise: &mut Unstructured<'_>, instance: &Deployment) -> Result<HostCertificate> {
    let hosts = instance.host_by_device().iter().max().map_or(0, |last| last + 1);
    Ok(HostCertificate {
        lower_bound: Cost(number(noise)?),
        scale_bits: noise.int_in_range(0..=41)?,
        loss_price: number(noise)?,
        byte_price: numbers(noise, instance.devices.len())?,
        visit_price: numbers(noise, hosts)?,
        remembered: remembered(noise, hosts)?,
    })
}

/// The certificate over configurations that the rest of the input is for an instance.
fn configurations(
    noise: &mut Unstructured<'_>,
    instance: &Deployment,
) -> Result<ConfigurationCertificate> {
    let (devices, models) = (instance.devices.len(), instance.models.len());
    // Multipliers of what has no limit are refused: mostly there are none.
    let few = |noise: &mut Unstructured<'_>, count: usize| -> Result<Vec<u64>> {
        (0..count).map(|_| maybe(noise).map(Option::unwrap_or_default)).collect()
    };
    let places = |noise: &mut Unstructured<'_>| -> Result<Vec<Vec<Vec<i64>>>> {
        let row = |noise: &mut Unstructured<'_>| -> Result<Vec<i64>> {
            Ok(numbers(noise, devices)?
                .into_iter()
                .map(|price| (price as i64).wrapping_neg())
                .collect())
        };
        let models = instance.models.iter();
        models.map(|model| (0..model.layers.len()).map(|_| row(noise)).collect()).collect()
    };
    let counted = |noise: &mut Unstructured<'_>| -> Result<Resource> {
        Ok(if noise.ratio(1, 4)? { Resource::Compute } else { Resource::Memory })
    };
    Ok(ConfigurationCertificate {
        lower_bound: Cost(number(noise)?),
        scale_bits: noise.int_in_range(0..=41)?,
        begin: places(noise)?,
        end: places(noise)?,
        loss_price: few(noise, models)?,
        latency_price: few(noise, models)?,
        compute_price: few(noise, devices)?,
        sending_price: few(noise, devices)?,
        traffic_price: few(noise, devices)?,
        counted: (0..devices).map(|_| counted(noise)).collect::<Result<_>>()?,
        unit: numbers(noise, devices)?,
        within_price: few(noise, devices)?,
    })
}

/// An instance of any numbers is refused, or every plan of it can be priced and named.
pub(crate) fn pair(bytes: &[u8]) {
    let Ok(drawn) = instance(&mut Unstructured::new(bytes)) else { return };
    let Ok(instance) = drawn.checked() else { return };
    assert_eq!(read_instance("i.json", &write_instance(&instance)).as_ref(), Ok(&instance));
    if instance.plan_count() > PLANS_MAX {
        return samples::evaluate(&instance);
    }
    let every = instance.try_each_plan::<String>(&mut |plan| {
        let evaluation = instance.evaluate(plan);
        if evaluation.cost.0 >= 1 << 62 {
            return Err(format!("{plan:?} costs {}", evaluation.cost));
        }
        let named = PlanFile::new(&instance, plan).resolve("p.json", &instance);
        let named = named.map_err(|error| error.to_string())?;
        match instance.evaluate(&named).cost == evaluation.cost {
            true => Ok(()),
            false => Err(format!("{plan:?} costs otherwise when it is named")),
        }
    });
    every.expect("every plan can be priced");
}

/// A certificate that is accepted claims no more than the optimum, whatever it is made of.
pub(crate) fn certificate(bytes: &[u8]) {
    let mut noise = Unstructured::new(bytes);
    let Ok(drawn) = instance(&mut noise) else { return };
    let Ok(claim) = claim(&mut noise, &drawn) else { return };
    if let Ok(bound) = check(&drawn, &claim, None) {
        holds(&drawn, claim.lower_bound, bound);
    }
}

/// The same over hosts.
pub(crate) fn host_certificate(bytes: &[u8]) {
    let mut noise = Unstructured::new(bytes);
    let Ok(mut drawn) = instance(&mut noise) else { return };
    if grouped(&mut noise, &mut drawn).is_err() {
        return;
    }
    let Ok(claim) = over_hosts(&mut noise, &drawn) else { return };
    if let Ok(bound) = check_hosts(&drawn, &claim, None) {
        holds(&drawn, claim.lower_bound, bound);
    }
}

/// The same over configurations: of two models where the input says so.
pub(crate) fn configuration_certificate(bytes: &[u8]) {
    let mut noise = Unstructured::new(bytes);
    let Ok(mut drawn) = instance(&mut noise) else { return };
    if let Ok(second) = instance(&mut noise)
        && second.devices.len() == drawn.devices.len()
    {
        drawn.models.extend(second.models);
        drawn.models[1].name = "second".into();
    }
    let Ok(claim) = configurations(&mut noise, &drawn) else { return };
    if let Ok(bound) = check_configurations(&drawn, &claim, None) {
        holds(&drawn, claim.lower_bound, bound);
    }
}

/// What is proven is no less than the claim, and no more than is true.
fn holds(instance: &Deployment, claim: Cost, bound: Cost) {
    assert!(bound >= claim, "less is proven than is claimed");
    if instance.plan_count() <= PLANS_MAX
        && let Some((optimum, plan)) = instance.brute_force()
    {
        assert!(bound <= optimum, "a bound of {bound}, but {plan:?} costs {optimum}");
    }
}

/// Noise to draw from: libFuzzer changes it.
pub(crate) fn noise() -> Vec<Vec<u8>> {
    let mut state = 1_u64;
    let mut byte = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..4).map(|_| (0..600).map(|_| byte()).collect()).collect()
}
