//! What a question is made of, before anything is planned: models, devices and clusters, with
//! sources. Everything here serializes to stable keys, and displays as tables.
//!
//! ```
//! use edgeplan::inspect;
//!
//! let model = inspect::model("catalog:tinyllama-1.1b")?;
//! println!("{model}");
//! assert!(edgeplan_files::to_json(&model).contains("\"parameters\": 11"));
//! println!("{}", inspect::device("catalog:rtx-3090-24")?);
//! println!("{}", inspect::cluster(None)?);
//! # Ok::<(), edgeplan::InputError>(())
//! ```

mod cluster;
mod device;
mod engine;
mod measured;
mod model;

use std::fmt::{Display, Formatter};
use std::path::Path;

use edgeplan_cost_model::engine::EngineProfile;
use edgeplan_files::InputError;
use edgeplan_machines::device::{DeviceProfile, EngineMeasured};
use serde::Serialize;

pub use cluster::ClusterFacts;
pub use device::{DeviceCatalog, PublishedFacts};
pub use engine::EngineFacts;
pub use measured::MeasuredFacts;
pub use model::{CatalogModel, ModelCatalog, ModelFacts};

use crate::Sources;

/// The model whose speed stands for all of its size.
const SEVEN_B: &str = "catalog:llama-2-7b";

/// The models of the catalog, with their sizes.
///
/// ```
/// println!("{}", edgeplan::inspect::models()?);
/// # Ok::<(), edgeplan::InputError>(())
/// ```
///
/// # Errors
/// None: a test reads the catalog.
pub fn models() -> Result<ModelCatalog, InputError> {
    ModelCatalog::new()
}

/// Layers and tensors of a model, and its size in each format. See the [module](self) for an
/// example.
///
/// # Errors
/// A model that cannot be read.
pub fn model(spec: &str) -> Result<ModelFacts, InputError> {
    Ok(ModelFacts::new(&edgeplan_model::load(spec)?))
}

/// The devices of the catalog.
///
/// ```
/// println!("{}", edgeplan::inspect::devices());
/// ```
pub fn devices() -> DeviceCatalog {
    DeviceCatalog(edgeplan_machines::device::catalog())
}

/// What is known of a device. See the [module](self) for an example.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum DeviceFacts {
    /// Published numbers.
    Published(PublishedFacts),
    /// Times that `edgeplan profile` measured.
    Measured(Box<MeasuredFacts>),
    /// Times that an engine's own programs measured.
    Engine(Box<EngineFacts>),
}

/// Memory, rates and predicted speeds of a device: `catalog:NAME`, a device file, or a profile.
///
/// See the [module](self) for an example.
///
/// # Errors
/// A device that cannot be read.
pub fn device(spec: &str) -> Result<DeviceFacts, InputError> {
    Ok(match edgeplan_machines::device::load(spec)? {
        DeviceProfile::Published(device) => {
            DeviceFacts::Published(PublishedFacts::new(spec, &device)?)
        }
        DeviceProfile::Measured(machine) => {
            DeviceFacts::Measured(MeasuredFacts::new(&machine)?.into())
        }
        DeviceProfile::Engine(machine) => DeviceFacts::Engine(EngineFacts::new(&machine).into()),
    })
}

/// What follows from the profile of an engine; `name` is what errors call it.
///
/// See the [module](self) for an example.
///
/// # Errors
/// Numbers that make no sense, or no pass that tells what products take.
pub fn engine(name: &str, profile: &EngineProfile) -> Result<EngineFacts, InputError> {
    let machine = EngineMeasured::of(name, profile.clone())?;
    Ok(EngineFacts::new(&machine))
}

impl Display for DeviceFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Published(facts) => facts.fmt(f),
            Self::Measured(facts) => facts.fmt(f),
            Self::Engine(facts) => facts.fmt(f),
        }
    }
}

/// Devices and links of a `cluster.toml`, or of the example's. See the [module](self) for an
/// example.
///
/// # Errors
/// As [`Sources::cluster`].
pub fn cluster(file: Option<&Path>) -> Result<ClusterFacts, InputError> {
    ClusterFacts::new(&Sources::cluster(file)?)
}
