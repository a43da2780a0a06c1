//! An instance of any seeded family, within the sizes that a person may ask for.

use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Deployment, Objective, Placement};

use crate::{Network, Random, Realistic, random, realistic, tight};

/// What is drawn. Sizes are checked by [`Draw::instance`].
#[derive(Debug, Clone)]
pub struct Draw {
    /// Realistic devices; layers and devices of random sizes if none.
    pub network: Option<Network>,
    /// The model of realistic families: `catalog:NAME` or a file.
    pub model: String,
    /// Layers, 1 to 1024.
    pub layers: usize,
    /// Devices, 1 to 1024.
    pub devices: usize,
    /// Formats of a layer, 1 to 8.
    pub formats: usize,
    /// Recipes of a layer of realistic families.
    pub recipes: usize,
    /// Memory of the random family, in percent of the model at 5 bits per weight.
    pub memory_percent: u64,
    /// Memory in percent of what the best uniform format needs, where it is scaled.
    pub tight: Option<u64>,
    /// What is minimised.
    pub objective: Objective,
    /// Where layers may lie.
    pub placement: Placement,
    /// Random seed.
    pub seed: u64,
}

impl Draw {
    /// Draws the instance.
    ///
    /// # Errors
    /// A size out of its range, named as an option of the command line; as [`realistic`] and
    /// [`tight`].
    pub fn instance(&self) -> Result<Deployment, InputError> {
        self.check()?;
        let &Self { layers, devices, formats, recipes, memory_percent, .. } = self;
        let &Self { objective, placement, seed, .. } = self;
        let instance = match self.network {
            None => {
                let family =
                    Random { layers, devices, formats, memory_percent, objective, placement, seed };
                let checked = random(&family).checked();
                checked.map_err(|error| InputError::file("random", error.to_string()))?
            }
            Some(network) => realistic(&Realistic {
                network,
                model: self.model.clone(),
                layers,
                devices,
                formats,
                recipes,
                objective,
                placement,
                seed,
            })?,
        };
        match self.tight {
            Some(percent) => tight(instance, percent),
            None => Ok(instance),
        }
    }

    fn check(&self) -> Result<(), InputError> {
        let ranges = [
            ("layers", self.layers as u64, 1024),
            ("devices", self.devices as u64, 1024),
            ("formats", self.formats as u64, 8),
            ("memory-percent", self.memory_percent, 100_000),
            ("tight", self.tight.unwrap_or(1), 100_000),
        ];
        let wrong = ranges.into_iter().find(|(_, value, most)| !(1..=*most).contains(value));
        wrong.map_or(Ok(()), |(name, value, most)| {
            let problem = format!("1 to {most} are allowed");
            Err(InputError::file(format!("--{name} {value}"), problem))
        })
    }
}
