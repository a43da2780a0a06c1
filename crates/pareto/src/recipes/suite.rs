//! What the GGUF Tool Suite of **Thireus and contributors** publishes of one model: divergence by
//! tensor and by type, bytes of each tensor in each type, and recipes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use edgeplan_files::{InputError, read_text};
use edgeplan_model::sensitivity::suite::Table;
use regex::Regex;

/// Types that lose nothing worth a measurement.
const FLOATS: [&str; 3] = ["f32", "f16", "bf16"];
/// Every tensor has a line in the map of this type.
const ORIGINAL: &str = "bf16";

/// The tables of a model: its folder below `models`.
#[derive(Debug)]
pub(super) struct Suite {
    folder: String,
    /// Divergence of the whole model where one tensor is in the probe, by tensor.
    probes: BTreeMap<String, f64>,
    /// That of the whole model in a type, over that in the probe.
    factors: BTreeMap<String, f64>,
    /// Bytes by type and tensor.
    bytes: BTreeMap<String, BTreeMap<String, u64>>,
    /// Weights by tensor.
    elements: BTreeMap<String, u64>,
}

/// A type for every tensor.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// The last part of its file's name, which tells it from others.
    pub(super) name: String,
    /// Perplexity that its name says was measured.
    pub(super) perplexity: Option<f64>,
    pub(super) kinds: BTreeMap<String, String>,
}

impl Suite {
    /// Reads the tables; `kinds` are the types that recipes name.
    pub(super) fn read(
        folder: &Path,
        probe: &str,
        kinds: &BTreeSet<String>,
    ) -> Result<Self, InputError> {
        let by_tensor = Table::read(&folder.join("kld_results.csv"))?;
        let file = folder.join("group0/kld_results.csv");
        let whole = Table::read(&file)?;
        let of = |kind: &str| whole.row(kind).ok().and_then(|row| row.values().next().copied());
        let base = of(probe).filter(|base| *base > 0.0).ok_or_else(|| {
            let problem = format!("no divergence above 0 in {probe}, the type of the probe");
            InputError::file(file.display().to_string(), problem)
        })?;
        let known = kinds.iter().filter_map(|kind| Some((kind.clone(), of(kind)? / base)));
        let mut suite = Self {
            folder: folder.display().to_string(),
            probes: by_tensor.row(probe)?.clone(),
            factors: known.chain(FLOATS.map(|kind| (kind.to_owned(), 0.0))).collect(),
            bytes: BTreeMap::new(),
            elements: BTreeMap::new(),
        };
        for kind in kinds.iter().map(String::as_str).chain([ORIGINAL]) {
            if kind == ORIGINAL || !FLOATS.contains(&kind) {
                suite.map(folder, kind)?;
            }
        }
        Ok(suite)
    }

    /// Reads `tensors.KIND.map`: a line for each tensor, `file:hash:tensor:key=value...`.
    fn map(&mut self, folder: &Path, kind: &str) -> Result<(), InputError> {
        let name = format!("tensors.{kind}.map");
        let grouped = folder.join("group0").join(&name);
        let path = if grouped.exists() { grouped } else { folder.join(&name) };
        let file = path.display().to_string();
        for (index, line) in read_text(&path)?.lines().enumerate() {
            let mut fields = line.split(':').skip(2);
            let tensor = fields.next().unwrap_or_default().to_owned();
            let fields: BTreeMap<&str, &str> =
                fields.filter_map(|field| field.split_once('=')).collect();
            let number = |key: &str| {
                let found = fields.get(key).and_then(|text| text.parse::<u64>().ok());
                found.filter(|number| *number > 0).ok_or_else(|| {
                    let problem = "a whole number above 0 is needed";
                    InputError::key(format!("{file}: line {}", index + 1), key, problem)
                })
            };
            let (bytes, elements) = (number("bytes")?, number("elements")?);
            self.elements.insert(tensor.clone(), elements);
            let stored = fields.get("dtype").copied().unwrap_or(kind);
            for kind in [kind, stored] {
                self.bytes.entry(kind.into()).or_default().insert(tensor.clone(), bytes);
            }
        }
        Ok(())
    }

    /// All tensors.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &str> {
        self.elements.keys().map(String::as_str)
    }

    pub(super) fn parameters(&self) -> u64 {
        self.elements.values().sum()
    }

    /// Whether plans may choose its type: those of which nothing was measured stay.
    pub(super) fn is_chosen(&self, tensor: &str) -> bool {
        self.probes.contains_key(tensor)
    }

    /// Divergence by one tensor in a type, in nats: that of the probe, scaled as the whole model
    /// scales; none where the type was not measured.
    pub(super) fn divergence(&self, tensor: &str, kind: &str) -> Option<f64> {
        let factor = *self.factors.get(kind)?;
        Some(self.probes.get(tensor).map_or(0.0, |kl| kl * factor))
    }

    pub(super) fn bytes(&self, tensor: &str, kind: &str) -> Option<u64> {
        self.bytes.get(kind)?.get(tensor).copied()
    }

    /// Bytes and divergence of a whole recipe.
    pub(super) fn priced(&self, recipe: &Recipe) -> Result<(u64, f64), InputError> {
        let (mut bytes, mut divergence) = (0, 0.0);
        for (tensor, kind) in &recipe.kinds {
            let pair = self.bytes(tensor, kind).zip(self.divergence(tensor, kind));
            let (size, loss) = pair.ok_or_else(|| {
                let problem = format!("{tensor} in {kind}: {} does not have that", self.folder);
                InputError::file(&recipe.name, problem)
            })?;
            bytes += size;
            divergence += loss;
        }
        Ok((bytes, divergence))
    }
}

/// The lines of a recipe: a pattern of tensor names and a type each, `^pattern$=type`.
pub(super) struct Lines {
    file: String,
    pub(super) kinds: Vec<(Regex, String)>,
}

impl Lines {
    pub(super) fn read(path: &Path) -> Result<Self, InputError> {
        let file = path.display().to_string();
        let mut kinds = Vec::new();
        for (index, line) in read_text(path)?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = || format!("{file}: line {}", index + 1);
            let Some((pattern, kind)) = line.rsplit_once('=') else {
                let problem = format!("`{line}`; `pattern=type` is needed");
                return Err(InputError::file(place(), problem));
            };
            let pattern = Regex::new(pattern)
                .map_err(|error| InputError::file(place(), format!("`{pattern}`: {error}")))?;
            kinds.push((pattern, kind.to_owned()));
        }
        Ok(Self { file, kinds })
    }

    /// The recipe of a model's tensors.
    pub(super) fn of(&self, suite: &Suite) -> Result<Recipe, InputError> {
        let kind = |tensor: &str| {
            let found = self.kinds.iter().find(|(pattern, _)| pattern.is_match(tensor));
            let (_, kind) = found.ok_or_else(|| {
                let problem = format!("no line for {tensor}, a tensor of {}", suite.folder);
                InputError::file(&self.file, problem)
            })?;
            Ok((tensor.to_owned(), kind.clone()))
        };
        let kinds = suite.tensors().map(kind).collect::<Result<_, InputError>>()?;
        let name = Path::new(&self.file).file_name().unwrap_or_default().to_string_lossy();
        let stem = name.trim_end_matches(".txt").trim_end_matches(".recipe");
        let last = stem.rsplit(['.', '_']).next().unwrap_or(stem);
        let before = stem.split("ppl").next().unwrap_or_default();
        let perplexity = before.rsplit('-').next().and_then(|text| text.parse().ok());
        Ok(Recipe { name: last.to_owned(), perplexity, kinds })
    }
}
