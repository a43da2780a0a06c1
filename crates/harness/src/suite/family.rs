//! A family as a suite file declares it: which keys it takes, and how lists become cases.

use std::fmt;
use std::path::{Path, PathBuf};

use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Objective, Placement};
use edgeplan_problem::scheduling::Mode;
use edgeplan_records::row::Kind;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Case, Source, filled};

/// Lists expand to their product.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Family {
    pub(super) name: FamilyName,
    pub(super) layers: Option<Vec<usize>>,
    pub(super) devices: Option<Vec<usize>>,
    pub(super) seeds: Option<Vec<u64>>,
    pub(super) agx: Option<Vec<usize>>,
    pub(super) nx: Option<Vec<usize>>,
    pub(super) formats: Option<Few>,
    pub(super) recipes: Option<Few>,
    pub(super) models: Option<Few>,
    pub(super) classes: Option<usize>,
    pub(super) model: Option<String>,
    pub(super) memory_percent: Option<Few>,
    pub(super) tight_percent: Option<Few>,
    pub(super) quality_percent: Option<Few>,
    pub(super) objective: Option<Objective>,
    pub(super) placement: Option<Placement>,
    pub(super) bins: Option<Vec<usize>>,
    pub(super) items: Option<ItemsName>,
    pub(super) slack_permille: Option<Few>,
    pub(super) requests: Option<Vec<usize>>,
    pub(super) edges: Option<Few>,
    pub(super) capacity_percent: Option<Few>,
    pub(super) mode: Option<Mode>,
    pub(super) band: Option<BandName>,
    pub(super) any_format: Option<bool>,
    pub(super) paths: Option<Vec<String>>,
    pub(super) problem: Option<Kind>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FamilyName {
    #[default]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ItemsName {
    Layers,
    Models,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BandName {
    Wide,
    Narrow,
}

/// A number, or a list of them.
#[derive(Debug, Clone)]
pub(super) struct Few(pub(super) Vec<u64>);

impl<'de> Deserialize<'de> for Few {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Few;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0, or a list of them")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Few, E> {
                Ok(Few(vec![value]))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Few, E> {
                let wrong = |_| E::invalid_value(serde::de::Unexpected::Signed(value), &self);
                u64::try_from(value).map(|value| Few(vec![value])).map_err(wrong)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Few(values))
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// The values of a key that may be left out: then there is one, and its name is not part of an
/// instance's.
pub(super) fn few(key: &str, list: &Option<Few>) -> Result<Vec<Option<u64>>, InputError> {
    match list {
        None => Ok(vec![None]),
        Some(Few(values)) => {
            filled("", key, values)?;
            Ok(values.iter().copied().map(Some).collect())
        }
    }
}

/// A list that its family cannot do without.
pub(super) fn required<'a, T>(key: &str, list: &'a Option<Vec<T>>) -> Result<&'a [T], InputError> {
    let missing = || InputError::key("", key, "missing; a list such as [4, 8] is needed");
    let list = list.as_ref().ok_or_else(missing)?;
    filled("", key, list)?;
    Ok(list)
}

/// Whether a value is in its range.
pub(super) fn within(key: &str, value: u64, (least, most): (u64, u64)) -> Result<(), InputError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(InputError::key("", key, format!("{value}; {least} to {most} are allowed"))),
    }
}

impl FamilyName {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::HomeLab => "home-lab",
            Self::EdgeSites => "edge-sites",
            Self::Classes => "classes",
            Self::Edgeshard => "edgeshard",
            Self::Packing => "packing",
            Self::Gus => "gus",
            Self::PiesFinal => "pies-final",
            Self::PiesTriangular => "pies-triangular",
            Self::PiesUniform => "pies-uniform",
            Self::Dftsp => "dftsp",
            Self::Files => "files",
        }
    }
}

impl Family {
    /// The kind of its instances.
    pub(super) fn kind(&self) -> Kind {
        use FamilyName::{Dftsp, Files, Gus, PiesFinal, PiesTriangular, PiesUniform};
        match self.name {
            Gus | PiesFinal | PiesTriangular | PiesUniform => Kind::Scheduling,
            Dftsp => Kind::Batching,
            Files => self.problem.unwrap_or_default(),
            _ => Kind::Deployment,
        }
    }

    /// Its cases; paths start in `folder`.
    pub(super) fn expand(&self, folder: &Path) -> Result<Vec<Case>, InputError> {
        use FamilyName::{Dftsp, Files, Gus, PiesFinal, PiesTriangular, PiesUniform};
        self.check_keys()?;
        match self.name {
            Gus | PiesFinal | PiesTriangular | PiesUniform => self.frames(),
            Dftsp => self.epochs(),
            Files => self.files(folder),
            _ => self.chains(),
        }
    }

    /// Whether all keys given are of this family.
    fn check_keys(&self) -> Result<(), InputError> {
        use FamilyName::{
            Classes, Dftsp, EdgeSites, Edgeshard, Files, Gus, HomeLab, Packing, PiesFinal,
            PiesTriangular, PiesUniform, Random,
        };
        const CATALOG: &[FamilyName] = &[HomeLab, EdgeSites, Classes];
        const CHAINS: &[FamilyName] = &[Random, HomeLab, EdgeSites, Classes];
        const FRAMES: &[FamilyName] = &[Gus, PiesFinal, PiesTriangular, PiesUniform];
        const MODELS: &[FamilyName] = &[HomeLab, EdgeSites, Classes, Dftsp];
        const DRAWN: &[FamilyName] = &[
            Random,
            HomeLab,
            EdgeSites,
            Classes,
            Packing,
            Gus,
            PiesFinal,
            PiesTriangular,
            PiesUniform,
            Dftsp,
        ];
        const DEPLOYMENTS: &[FamilyName] =
            &[Random, HomeLab, EdgeSites, Classes, Edgeshard, Packing];
        const WAITING: &[FamilyName] = &[Gus, PiesFinal, PiesTriangular, PiesUniform, Dftsp];
        let keys: [(&str, bool, &[FamilyName]); 26] = [
            ("layers", self.layers.is_some(), CHAINS),
            ("devices", self.devices.is_some(), CHAINS),
            ("seeds", self.seeds.is_some(), DRAWN),
            ("formats", self.formats.is_some(), CHAINS),
            ("recipes", self.recipes.is_some(), CATALOG),
            ("models", self.models.is_some(), &[Random]),
            ("model", self.model.is_some(), MODELS),
            ("classes", self.classes.is_some(), &[Classes]),
            ("memory-percent", self.memory_percent.is_some(), &[Random]),
            ("tight-percent", self.tight_percent.is_some(), DEPLOYMENTS),
            ("quality-percent", self.quality_percent.is_some(), CHAINS),
            ("objective", self.objective.is_some(), DEPLOYMENTS),
            ("placement", self.placement.is_some(), DEPLOYMENTS),
            ("agx", self.agx.is_some(), &[Edgeshard]),
            ("nx", self.nx.is_some(), &[Edgeshard]),
            ("bins", self.bins.is_some(), &[Packing]),
            ("items", self.items.is_some(), &[Packing]),
            ("slack-permille", self.slack_permille.is_some(), &[Packing]),
            ("requests", self.requests.is_some(), WAITING),
            ("edges", self.edges.is_some(), FRAMES),
            ("capacity-percent", self.capacity_percent.is_some(), FRAMES),
            ("mode", self.mode.is_some(), FRAMES),
            ("band", self.band.is_some(), &[Dftsp]),
            ("any-format", self.any_format.is_some(), &[Dftsp]),
            ("paths", self.paths.is_some(), &[Files]),
            ("problem", self.problem.is_some(), &[Files]),
        ];
        for (key, given, families) in keys {
            if given && !families.contains(&self.name) {
                let words: Vec<&str> = families.iter().map(|family| family.word()).collect();
                let problem = format!("{} has none, only {}", self.name.word(), words.join(", "));
                return Err(InputError::key("", key, problem));
            }
        }
        Ok(())
    }

    /// The files that the paths and patterns stand for, in order of their names.
    fn files(&self, folder: &Path) -> Result<Vec<Case>, InputError> {
        let Some(kind) = self.problem else {
            let problem = "missing; deployment, scheduling or batching is needed";
            return Err(InputError::key("", "problem", problem));
        };
        let mut found: Vec<PathBuf> = Vec::new();
        for pattern in required("paths", &self.paths)? {
            let wrong = |what: String| InputError::key("", "paths", format!("{pattern}: {what}"));
            let whole = folder.join(pattern);
            let paths =
                glob::glob(&whole.display().to_string()).map_err(|e| wrong(e.to_string()))?;
            let before = found.len();
            for path in paths {
                found.push(path.map_err(|error| wrong(error.to_string()))?);
            }
            if found.len() == before {
                return Err(wrong("there is no such file".into()));
            }
        }
        let case = |path: PathBuf| Case {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            parameters: "family=files".into(),
            source: Source::File(kind, path),
        };
        Ok(found.into_iter().map(case).collect())
    }
}
