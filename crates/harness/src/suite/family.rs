//! A family as a suite file declares it: its name says which keys it takes.

use std::path::Path;

use edgeplan_families::Network;
use edgeplan_files::{InputError, parse_toml};
use edgeplan_scheduling::Settings;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Case, catalog, dftsp, edgeshard, files, frames, packing, random};

/// A table `[[family]]`.
#[derive(Debug, Deserialize)]
pub(super) struct Family {
    name: Name,
    /// All other keys. They are decoded in a second step, into the struct that belongs to the name:
    /// serde can do both at once, but then loses the path of a key, which errors are to name.
    #[serde(flatten)]
    keys: toml::Table,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Random,
    HomeLab,
    EdgeSites,
    Classes,
    Edgeshard,
    Packing,
    Gus,
    PiesFinal,
    PiesTriangular,
    PiesUniform,
    Dftsp,
    Files,
}

impl Family {
    /// The family's cases; paths start in `folder`.
    pub(super) fn cases(&self, folder: &Path) -> Result<Vec<Case>, InputError> {
        let catalog = |network| self.keys::<catalog::Keys>()?.cases(network);
        let frames = |settings| self.keys::<frames::Keys>()?.cases(settings);
        match self.name {
            Name::Random => self.keys::<random::Keys>()?.cases(),
            Name::HomeLab => catalog(Network::HomeLab),
            Name::EdgeSites => catalog(Network::EdgeSites),
            Name::Classes => self.keys::<catalog::ClassesKeys>()?.cases(),
            Name::Edgeshard => self.keys::<edgeshard::Keys>()?.cases(),
            Name::Packing => self.keys::<packing::Keys>()?.cases(),
            Name::Gus => frames(Settings::Gus),
            Name::PiesFinal => frames(Settings::PiesFinal),
            Name::PiesTriangular => frames(Settings::PiesTriangular),
            Name::PiesUniform => frames(Settings::PiesUniform),
            Name::Dftsp => self.keys::<dftsp::Keys>()?.cases(),
            Name::Files => self.keys::<files::Keys>()?.cases(folder),
        }
    }

    fn keys<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        decode(&self.keys)
    }
}

/// Decodes keys into a struct of them.
///
/// # Errors
/// Unknown and missing keys, and values of another type. They name the key, not the file.
pub(super) fn decode<T: DeserializeOwned>(keys: &toml::Table) -> Result<T, InputError> {
    // As text again, because errors of texts are worded for people already.
    parse_toml("", &keys.to_string())
}
