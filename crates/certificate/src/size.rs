//! How much memory and time a certificate asks for, counted before any of it is given.

use edgeplan_problem::deployment::Deployment;

use crate::grid::width;
use crate::{Certificate, Rejected};

/// Table values per device: 256 remembered subsets of a grid of 1,000 steps. What the solver writes
/// stays below it.
const VALUES_PER_DEVICE: u128 = 1 << 18;
/// Table values in all, of 16 bytes.
const VALUES_MAX: u128 = 1 << 23;
/// Operations in all, some seconds.
pub(crate) const WORK_MAX: u128 = 1 << 32;

/// Refuses what would take more memory or time than is allowed for the instance.
pub(crate) fn allowed(instance: &Deployment, certificate: &Certificate) -> Result<(), Rejected> {
    let (devices, model) = (instance.devices.len() as u128, &instance.models[0]);
    let options = model.layers.iter().map(|layer| layer.options.len() as u128).sum::<u128>();
    let layers = model.layers.len() as u128;
    // Fewer than 2^16 devices of 2^16 subsets and a width below 2^65: no sum overflows.
    let (mut values, mut work) = (0u128, 0u128);
    for device in instance.device_ids() {
        let set = certificate.remembered[device.index()].len();
        let room = instance.room(device, model).unwrap_or_default().0;
        let width = width(room, certificate.unit[device.index()]);
        let subsets = 1u128 << set;
        // A row's steps, and what it takes besides.
        values += subsets * (width + 3);
        let moves = layers.saturating_mul(devices * (1 + set as u128));
        let stays = options.saturating_mul(width);
        work = work.saturating_add(moves.saturating_add(stays).saturating_mul(subsets));
    }
    within("table values", values, VALUES_MAX.min(devices * VALUES_PER_DEVICE))?;
    within("operations", work, WORK_MAX)
}

pub(crate) fn within(what: &'static str, needed: u128, allowed: u128) -> Result<(), Rejected> {
    match needed <= allowed {
        true => Ok(()),
        false => Err(Rejected::TooLarge { what, needed, allowed }),
    }
}
