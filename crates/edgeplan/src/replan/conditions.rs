//! What happened to the machines, and the question that is left.

use std::str::FromStr as _;
use std::sync::Arc;

use edgeplan_files::InputError;
use edgeplan_files::quantity::{Bandwidth, Memory};
use edgeplan_problem::deployment::{Deployment, DeviceId};
use edgeplan_problem::{Bytes, Nanos};

use crate::Error;
use crate::changed::Left;
use crate::session::{Origin, Session};

/// What happened to a machine or a link.
///
/// ```
/// use edgeplan::Event;
///
/// assert_eq!(Event::slow("desktop=3")?, Event::SlowDevice("desktop".into(), 3.0));
/// assert!(Event::slow("laptop-home=100 Mbit/s").is_ok());
/// assert!(Event::less("desktop=4 GHz").is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A device or a host left.
    Left(String),
    /// Everything takes that many times as long on a device; from 1 to 1000000.
    SlowDevice(String, f64),
    /// The link between two ends, written `ONE-TWO`, or every link for `link`, has this rate now.
    SlowLink(String, Bandwidth),
    /// So much of a device's memory is gone.
    LessMemory(String, Bytes),
}

/// Devices are slower by a factor from 1 to this one.
const FACTOR_MAX: f64 = 1e6;

impl Event {
    /// Reads `NAME-NAME=RATE`, `link=RATE` or `NAME=FACTOR`.
    ///
    /// See [`Event`] for an example.
    ///
    /// # Errors
    /// What is neither, with what is allowed.
    pub fn slow(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "`NAME-NAME=100 Mbit/s`, `link=100 Mbit/s` or `NAME=3` (three times \
             as long) is allowed";
        let (name, value) = text.rsplit_once('=').ok_or_else(|| format!("`{text}`: {ALLOWED}"))?;
        let (name, value) = (name.trim().to_owned(), value.trim());
        if let Ok(factor) = value.parse::<f64>() {
            return match (1.0..=FACTOR_MAX).contains(&factor) {
                true => Ok(Self::SlowDevice(name, factor)),
                false => Err(format!("{name}={value}: a factor from 1 to {FACTOR_MAX} is allowed")),
            };
        }
        match Bandwidth::from_str(value) {
            Ok(Bandwidth(0)) => Err(format!("{name}: 0; more than that is needed")),
            Ok(bandwidth) => Ok(Self::SlowLink(name, bandwidth)),
            Err(error) => Err(format!("{name}: {error}; or a factor such as 3")),
        }
    }

    /// Reads `NAME=4 GiB`.
    ///
    /// See [`Event`] for an example.
    ///
    /// # Errors
    /// What is no size, with what is allowed.
    pub fn less(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.rsplit_once('=').ok_or_else(|| format!("`{text}`: `NAME=4 GiB` is allowed"))?;
        let Memory(bytes) =
            value.trim().parse().map_err(|error| format!("{}: {error}", name.trim()))?;
        Ok(Self::LessMemory(name.trim().to_owned(), Bytes(bytes)))
    }

    /// Whether it may pass by itself: a device or link is slow.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::SlowDevice(..) | Self::SlowLink(..))
    }

    /// The option that says it, and its value, for errors.
    fn refuses(&self, problem: String) -> Error {
        let key = match self {
            Self::Left(_) => "without",
            Self::SlowDevice(..) | Self::SlowLink(..) => "slow",
            Self::LessMemory(..) => "less",
        };
        InputError::key("command line", key, problem).into()
    }
}

impl Session {
    /// The question after these events.
    pub(super) fn after(&self, events: &[Event]) -> Result<Left, Error> {
        let mut gone = Vec::new();
        let mut changed: Option<Self> = None;
        for event in events {
            let now = changed.as_ref().unwrap_or(self);
            changed = match event {
                Event::Left(name) => {
                    gone.push((event, name.clone()));
                    continue;
                }
                _ => Some(now.happened(event)?),
            };
        }
        let now = changed.as_ref().unwrap_or(self);
        if let Some((event, _)) = gone.first() {
            let names: Vec<String> = gone.iter().map(|(_, name)| name.clone()).collect();
            return now.without(&names).map_err(|problem| event.refuses(problem))?;
        }
        let places = now.deployment().device_ids().map(Some).collect();
        let session = match changed {
            Some(session) => session,
            None => Self::new(self.origin().clone(), self.view())?,
        };
        Ok(Left { session, places })
    }

    /// The question after an event that leaves every device in its place.
    fn happened(&self, event: &Event) -> Result<Self, Error> {
        let device = |name: &String| {
            let found = device_named(self.deployment(), name);
            found.map_err(|problem| event.refuses(problem))
        };
        let (slow, factor, less) = match event {
            Event::Left(_) => return Err(event.refuses("no device is left in its place".into())),
            Event::SlowLink(name, bandwidth) => {
                let Some(inputs) = self.inputs() else {
                    let problem = "an instance file has times, no links";
                    return Err(event.refuses(problem.into()));
                };
                let ends = (name != "link").then_some(name.as_str());
                let file = inputs.cluster.with_links(ends, *bandwidth);
                return self.on_file(file.map_err(|problem| event.refuses(problem))?);
            }
            Event::SlowDevice(name, factor) => (device(name)?, Some(*factor), Bytes::ZERO),
            Event::LessMemory(name, bytes) => (device(name)?, None, *bytes),
        };
        match self.origin() {
            Origin::Built(inputs) => {
                self.on_file(inputs.cluster.with_less(slow.index(), factor, less)?)
            }
            Origin::Instance(instance) => {
                let changed = poorer(&instance.1, slow, factor, less).checked();
                let changed = changed.map_err(|error| event.refuses(error.to_string()))?;
                Self::new(Origin::Instance(Arc::new((instance.0.clone(), changed))), self.view())
            }
        }
    }
}

/// The device of that name.
pub(super) fn device_named(deployment: &Deployment, name: &str) -> Result<DeviceId, String> {
    let found = deployment.device_ids().find(|&id| deployment.device(id).name == name);
    found.ok_or_else(|| {
        let known = deployment.devices.iter().map(|device| device.name.as_str());
        let hint = match edgeplan_files::nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
        };
        format!("no device is called `{name}`; {hint}")
    })
}

/// A device that is slower by a factor, and has less memory.
fn poorer(
    deployment: &Deployment,
    device: DeviceId,
    factor: Option<f64>,
    less: Bytes,
) -> Deployment {
    let mut changed = deployment.clone();
    let memory = &mut changed.devices[device.index()].memory;
    *memory = memory.saturating_sub(less);
    let layers = changed.models.iter_mut().flat_map(|model| &mut model.layers);
    for option in layers.flat_map(|layer| &mut layer.options) {
        let time = &mut option.compute[device.index()];
        let slowed = |time: Nanos| match factor {
            Some(factor) => Nanos((time.as_f64() * factor).ceil() as u64),
            None => time,
        };
        *time = time.map(slowed);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_others_refused_with_what_is_allowed() {
        let rate = Bandwidth(100_000_000);
        assert_eq!(Event::slow("a-b=100 Mbit/s"), Ok(Event::SlowLink("a-b".into(), rate)));
        assert_eq!(Event::slow("a = 2.5"), Ok(Event::SlowDevice("a".into(), 2.5)));
        assert_eq!(Event::less("a=4 GiB"), Ok(Event::LessMemory("a".into(), Bytes(4 << 30))));
        for (error, expected) in [
            (Event::slow("a"), "`NAME=3`"),
            (Event::slow("a=0.5"), "a factor from 1"),
            (Event::slow("a=NaN"), "a factor from 1"),
            (Event::slow("a=5 km"), "`940 Mbit/s`"),
            (Event::slow("a=0 bit/s"), "more than that is needed"),
            (Event::less("a"), "`NAME=4 GiB`"),
            (Event::less("a=-4 GiB"), "`12 GiB`"),
        ] {
            let error = error.unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
