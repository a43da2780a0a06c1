//! Whether an instance makes sense, once, at the door.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use super::{Deployment, DeviceId, Layer, Message, Model};
use crate::{Bytes, Nanos};

/// Why an instance makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Sums stay below this, so that no evaluation can saturate and pass for feasible.
const SUM_MAX: u128 = 1 << 62;

impl Deployment {
    /// Checks sizes, indices, names and magnitudes; everything else relies on it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and what is allowed.
    pub fn checked(self) -> Result<Self, Invalid> {
        let invalid = |text: String| Err(Invalid(text));
        if self.devices.is_empty() || self.devices.len() > usize::from(u16::MAX) {
            return invalid(format!("{} devices; 1 to 65535 are allowed", self.devices.len()));
        }
        if self.models.is_empty() {
            return invalid("no model".into());
        }
        if self.source.index() >= self.devices.len() {
            return invalid(format!("the source is device {}, there is none", self.source.0));
        }
        unique("device", self.devices.iter().map(|device| device.name.as_str()))?;
        unique("host", self.hosts.iter())?;
        for device in &self.devices {
            if device.host.is_some_and(|host| host.index() >= self.hosts.len()) {
                let text = format!("device {}: its host does not exist", device.name);
                return Err(Invalid(text));
            }
        }
        unique("model", self.models.iter().map(|model| model.name.as_str()))?;
        for model in &self.models {
            self.check_model(model)
                .map_err(|Invalid(text)| Invalid(format!("model {}: {text}", model.name)))?;
        }
        self.check_magnitudes()?;
        Ok(self)
    }

    fn check_model(&self, model: &Model) -> Result<(), Invalid> {
        if model.layers.is_empty() {
            return Err(Invalid("no layers".into()));
        }
        if model.weight == 0 {
            return Err(Invalid("weight is 0; at least 1 is allowed".into()));
        }
        for (index, message) in model.messages.iter().enumerate() {
            self.check_message(message)
                .map_err(|Invalid(text)| Invalid(format!("message {index}: {text}")))?;
        }
        for (what, index) in [("enter", model.enter), ("leave", model.leave)] {
            if index >= model.messages.len() {
                return Err(Invalid(format!("{what} names message {index}, there is none")));
            }
        }
        if model.layers[0].joined {
            return Err(Invalid(
                "the first layer is joined to a layer before, there is none".into(),
            ));
        }
        for layer in &model.layers {
            self.check_layer(model, layer)
                .map_err(|Invalid(text)| Invalid(format!("layer {}: {text}", layer.role)))?;
        }
        Ok(())
    }

    fn check_message(&self, message: &Message) -> Result<(), Invalid> {
        let devices = self.devices.len();
        if message.time.len() != devices * devices {
            let text = format!("{} times for {devices} devices", message.time.len());
            return Err(Invalid(text));
        }
        for device in self.device_ids().map(DeviceId::index) {
            if message.time[device * devices + device] != Some(Nanos::ZERO) {
                let name = &self.devices[device].name;
                return Err(Invalid(format!("{name} transfers to itself in other than 0 ns")));
            }
        }
        Ok(())
    }

    fn check_layer(&self, model: &Model, layer: &Layer) -> Result<(), Invalid> {
        if layer.options.is_empty() || layer.options.len() > usize::from(u16::MAX) {
            let text = format!("{} options; 1 to 65535 are allowed", layer.options.len());
            return Err(Invalid(text));
        }
        if layer.output >= model.messages.len() {
            return Err(Invalid(format!("output names message {}, there is none", layer.output)));
        }
        if layer.pin.is_some_and(|pin| pin.index() >= self.devices.len()) {
            return Err(Invalid("pinned to a device that does not exist".into()));
        }
        // Plan files name options by recipe.
        unique("option", layer.options.iter().map(|option| &option.recipe))?;
        for option in &layer.options {
            if option.compute.len() != self.devices.len() {
                let text = format!(
                    "option {}: {} compute times for {} devices",
                    option.recipe,
                    option.compute.len(),
                    self.devices.len()
                );
                return Err(Invalid(text));
            }
            if option.shared.is_some_and(|shared| shared >= model.shared.len()) {
                let text = format!("option {}: its shared tensor does not exist", option.recipe);
                return Err(Invalid(text));
            }
        }
        Ok(())
    }

    /// The dearest thinkable plan must be far below 2^64 in time and bytes.
    fn check_magnitudes(&self) -> Result<(), Invalid> {
        let (mut time, mut bytes, mut loss) = (0u128, 0u128, 0u128);
        for model in &self.models {
            let longest = |message: &Message| largest(message.time.iter().flatten().copied());
            let sent = model.messages.iter().map(longest).max().unwrap_or_default();
            let size = model.messages.iter().map(|message| message.bytes.0).max();
            let weight = u128::from(model.weight);
            let shared = model.shared.iter().copied().max().unwrap_or_default();
            for layer in &model.layers {
                let times = layer.options.iter().flat_map(|option| option.compute.iter().flatten());
                let own = layer.options.iter().map(|option| option.bytes).max().unwrap_or_default();
                let lost = layer.options.iter().map(|option| option.loss.0).max();
                let compute = largest(times.copied());
                time += weight * (u128::from(compute) + u128::from(sent));
                bytes += u128::from(own.0) + u128::from(layer.kv.0) + u128::from(shared.0);
                bytes += weight * u128::from(size.unwrap_or_default());
                loss += u128::from(lost.unwrap_or_default());
            }
            time += 2 * weight * u128::from(sent);
            bytes += weight * u128::from(size.unwrap_or_default()) * 2;
            bytes += u128::from(model.activation.0) * self.devices.len() as u128;
        }
        let overhead: u128 = self.devices.iter().map(|device| u128::from(device.overhead.0)).sum();
        if time >= SUM_MAX || bytes + overhead >= SUM_MAX || loss >= SUM_MAX {
            return Err(Invalid("times, bytes or losses sum to more than 2^62".into()));
        }
        if self.devices.iter().any(|device| device.memory >= Bytes(1 << 62)) {
            return Err(Invalid("a device has more than 2^62 bytes of memory".into()));
        }
        Ok(())
    }
}

fn largest(times: impl Iterator<Item = Nanos>) -> u64 {
    times.max().unwrap_or_default().0
}

fn unique<T: Display + Eq + Hash>(
    what: &str,
    names: impl Iterator<Item = T>,
) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    for name in names {
        if seen.contains(&name) {
            return Err(Invalid(format!("two {what}s are called {name}")));
        }
        seen.insert(name);
    }
    Ok(())
}
