//! The same question on other machines.

use std::sync::Arc;

use edgeplan_machines::cluster::{Cluster, ClusterFile};
use edgeplan_problem::deployment::{Deployment, DeviceId};
use edgeplan_what_if::without_devices;

use crate::Error;
use crate::session::{Inputs, Origin, Session};

/// What is left of a question once devices left.
pub(crate) struct Left {
    pub(crate) session: Session,
    /// By device of the question before: its place now, none if it left.
    pub(crate) places: Vec<Option<DeviceId>>,
}

impl Session {
    /// The question on the cluster of another file; an instance file has no cluster.
    pub(crate) fn on_file(&self, file: ClusterFile) -> Result<Self, Error> {
        let Origin::Built(inputs) = self.origin() else {
            return Err(Error::Impossible("an instance file has no cluster".into()));
        };
        self.on(inputs.cluster.replaced(file)?)
    }

    fn on(&self, cluster: Cluster) -> Result<Self, Error> {
        let Origin::Built(inputs) = self.origin() else {
            return Err(Error::Impossible("an instance file has no cluster".into()));
        };
        let inputs = Inputs { cluster, ..(**inputs).clone() };
        Self::new(Origin::Built(Arc::new(inputs)), self.view())
    }

    /// The question without these devices and hosts. The inner error is one of the question that is
    /// left; the outer one, a name that there is none of, or the source's.
    pub(crate) fn without(&self, names: &[String]) -> Result<Result<Left, Error>, String> {
        let now = |deployment: &Deployment, name: &String| {
            deployment.device_ids().find(|&id| deployment.device(id).name == *name)
        };
        match self.origin() {
            Origin::Instance(instance) => {
                let (file, deployment) = &**instance;
                let gone = named(deployment, names)?;
                let left = without_devices(deployment, &gone)?;
                let place = |id: DeviceId| now(&left, &deployment.device(id).name);
                let places = deployment.device_ids().map(place).collect();
                let origin = Origin::Instance(Arc::new((file.clone(), left)));
                let session = Self::new(origin, self.view());
                Ok(session.map(|session| Left { session, places }))
            }
            Origin::Built(inputs) => {
                let remaining = inputs.cluster.without(names)?;
                let session = self.on_file(remaining.file);
                Ok(session.map(|session| {
                    let place = |name: &Option<String>| now(session.deployment(), name.as_ref()?);
                    let places = remaining.names.iter().map(place).collect();
                    Left { session, places }
                }))
            }
        }
    }
}

/// The devices of these names; a host stands for all of its devices.
fn named(deployment: &Deployment, names: &[String]) -> Result<Vec<DeviceId>, String> {
    let mut found = Vec::new();
    for name in names {
        let is_meant = |&id: &DeviceId| {
            deployment.device(id).name == *name || deployment.host_name(id) == name
        };
        let before = found.len();
        found.extend(deployment.device_ids().filter(is_meant));
        if found.len() == before {
            let known = deployment.devices.iter().map(|device| device.name.as_str());
            let hint = match edgeplan_files::nearest(name, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(format!("`{name}` is neither a device nor a host; {hint}"));
        }
    }
    Ok(found)
}
