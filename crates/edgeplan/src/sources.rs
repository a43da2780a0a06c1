//! What a question is loaded from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use edgeplan_files::deployment::read_instance;
use edgeplan_files::{InputError, TextFile, parse_json, read_text};
use edgeplan_machines::cluster::Cluster;
use edgeplan_model::ModelSpec;
use edgeplan_model::gguf::Projector;
use edgeplan_model::sensitivity::Quality;
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_pricing::workload::{Goal, Workload};
use edgeplan_problem::format::Format;
use edgeplan_runtimes::Runtime;

use crate::Error;
use crate::session::{Inputs, Origin, Session, View};

const EXAMPLE_MODEL: &str = "catalog:llama-3.1-8b";
const EXAMPLE_CLUSTER: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

/// A file to read, or a text that was never in one.
///
/// ```
/// use edgeplan::{Document, Sources};
///
/// let workload = Document::of_json("workload", r#"{ "prompt": 64, "generate": 16 }"#)?;
/// let session = Sources { workload: Some(workload), ..Sources::default() }.load()?;
/// assert_eq!(session.workload().map(|workload| workload.prompt), Some(64));
/// # Ok::<(), edgeplan::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A file.
    File(PathBuf),
    /// A text, and the name that errors call it by.
    Text(TextFile),
}

impl From<PathBuf> for Document {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl Document {
    /// The TOML of a table that a program made; `name` stands for its file in errors.
    ///
    /// See [`Document`] for an example.
    ///
    /// # Errors
    /// What is no JSON, or has no place in TOML, such as `null`.
    pub fn of_json(name: &str, text: &str) -> Result<Self, InputError> {
        let table: toml::Table = parse_json(name, text)?;
        let text =
            toml::to_string(&table).map_err(|error| InputError::file(name, error.to_string()))?;
        Ok(Self::Text(TextFile { name: name.to_owned(), text }))
    }

    /// What errors call it.
    ///
    /// See [`Document`] for an example.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(text) => text.name.clone(),
        }
    }

    /// Its text; a file is read.
    ///
    /// See [`Document`] for an example.
    ///
    /// # Errors
    /// As [`read_text`].
    pub fn read(&self) -> Result<TextFile, InputError> {
        match self {
            Self::File(path) => TextFile::read(path),
            Self::Text(text) => Ok(text.clone()),
        }
    }
}

/// What a question is loaded from: an instance file, or models, a cluster and a workload. The
/// default is the embedded example: an 8B model on a laptop, two Jetsons and a desktop with an old
/// GPU.
///
/// See the [crate](crate) for an example.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// An instance file, instead of everything else but the engine.
    pub instance: Option<Document>,
    /// `catalog:NAME`, GGUF files, `config.json` files or their folders; all share the cluster. The
    /// example's if empty.
    pub models: Vec<String>,
    /// A `cluster.toml`; the example's if none.
    pub cluster: Option<Document>,
    /// Profiles of the devices of one host, instead of a cluster file.
    pub devices: Vec<String>,
    /// Main memory of that host, such as `64 GiB`; that of its processor's profile if none.
    pub ram: Option<String>,
    /// A `workload.toml`; its defaults if none.
    pub workload: Option<Document>,
    /// What is asked otherwise than the workload says.
    pub changes: Changes,
    /// Measured sensitivities, each of the model that it names.
    pub sensitivity: Vec<PathBuf>,
    /// A vision projector beside the model, a GGUF file of the architecture `clip`.
    pub projector: Option<PathBuf>,
    /// Plans only within what this engine can run, priced as it works.
    pub engine: Option<&'static Runtime>,
}

/// What is asked otherwise than a workload says; see [`Workload`] for the keys.
///
/// See [`Diagnosis`](crate::Diagnosis) for an example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Prompt tokens of a request.
    pub prompt: Option<u32>,
    /// Tokens generated after the prompt.
    pub generate: Option<u32>,
    /// Tokens that the KV cache is allocated for.
    pub context: Option<u32>,
    /// What is minimised, or made as good as the limits allow.
    pub objective: Option<Goal>,
    /// The quality floor.
    pub quality: Option<Quality>,
    /// Generated tokens per second of one request, at least.
    pub decode_min: Option<f64>,
    /// Formats of the KV cache to choose from; as the workload says if empty.
    pub kv: Vec<Format>,
}

impl Changes {
    /// Changes a workload.
    ///
    /// See [`Diagnosis`](crate::Diagnosis) for an example of a change.
    ///
    /// # Errors
    /// As [`Workload::check`].
    pub fn apply(&self, workload: &mut Workload) -> Result<(), InputError> {
        if *self == Self::default() {
            return Ok(());
        }
        workload.prompt = self.prompt.unwrap_or(workload.prompt);
        workload.generate = self.generate.unwrap_or(workload.generate);
        workload.context = self.context.or(workload.context);
        workload.objective = self.objective.unwrap_or(workload.objective);
        workload.quality = self.quality.clone().or(workload.quality.take());
        workload.decode_min = self.decode_min.or(workload.decode_min);
        if !self.kv.is_empty() {
            workload.kv = self.kv.clone().into();
        }
        workload.check(COMMAND_LINE)
    }
}

/// What arguments are blamed on, and what the host that they describe is called.
const COMMAND_LINE: &str = "command line";
const HOST: &str = "pc";

impl Sources {
    /// Reads every file once and prices the question.
    ///
    /// See the [crate](crate) for an example.
    ///
    /// # Errors
    /// What cannot be read or makes no sense, with the file and the key; what the engine cannot do.
    ///
    /// # Complexity
    /// O(models x layers x recipes x devices), and the routes of the cluster.
    pub fn load(&self) -> Result<Session, Error> {
        let view = self.engine.map_or(View::Open, View::Within);
        Session::new(self.origin()?, view)
    }

    fn origin(&self) -> Result<Origin, InputError> {
        if let Some(document) = &self.instance {
            let TextFile { name, text } = document.read()?;
            let deployment = read_instance(&name, &text)?;
            return Ok(Origin::Instance(Arc::new((name, deployment))));
        }
        let cluster = self.machines()?;
        let mut workload = match &self.workload {
            Some(document) => {
                let TextFile { name, text } = document.read()?;
                Workload::parse(&name, &text)?
            }
            None => Workload::default(),
        };
        self.changes.apply(&mut workload)?;
        let names = match self.models.is_empty() {
            true => vec![EXAMPLE_MODEL.to_owned()],
            false => self.models.clone(),
        };
        let load = |name: &String| edgeplan_model::load(name);
        let mut models = names.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        for path in &self.sensitivity {
            attach(&mut models, path)?;
        }
        let workload_file = self.workload.as_ref().map(Document::name);
        let projector = self.projector.as_deref().map(Projector::read).transpose()?;
        let inputs = Inputs { names, models, cluster, workload, projector, workload_file };
        Ok(Origin::Built(Arc::new(inputs)))
    }

    /// The machines: those of `devices`, or else of the cluster.
    ///
    /// ```
    /// use edgeplan::Sources;
    ///
    /// let devices = vec!["rtx-3090-24".into(), "ryzen-7950x-64".into()];
    /// let pc = Sources { devices, ram: Some("64 GiB".into()), ..Sources::default() };
    /// assert_eq!(pc.machines()?.devices.len(), 2);
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sources::cluster`]; names that the catalog lacks.
    pub fn machines(&self) -> Result<Cluster, InputError> {
        match (&self.devices[..], &self.ram) {
            ([], None) => match &self.cluster {
                Some(document) => {
                    let TextFile { name, text } = document.read()?;
                    Cluster::parse(&name, &text)
                }
                None => Self::cluster(None),
            },
            (devices, ram) => Cluster::of_host(COMMAND_LINE, HOST, devices, ram.as_deref()),
        }
    }

    /// A `cluster.toml`, or the example's.
    ///
    /// See [`Fit`](crate::fit::Fit) for an example.
    ///
    /// # Errors
    /// A file that cannot be read or makes no sense.
    pub fn cluster(path: Option<&Path>) -> Result<Cluster, InputError> {
        match path {
            Some(path) => Cluster::parse(&path.display().to_string(), &read_text(path)?),
            None => Cluster::parse("example cluster", EXAMPLE_CLUSTER),
        }
    }
}

/// Puts measurements on the model that they are about: the one of that name, or the only one.
fn attach(models: &mut [ModelSpec], path: &Path) -> Result<(), InputError> {
    let file = path.display().to_string();
    let sensed = MeasuredSensitivity::parse(&file, &read_text(path)?)?;
    let index = models.iter().position(|model| model.name == sensed.header.model);
    let Some(index) = index.or((models.len() == 1).then_some(0)) else {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let problem = format!("`{}`; models are {}", sensed.header.model, names.join(", "));
        return Err(InputError::key(file, "model", problem));
    };
    models[index] = sensed.attach(models[index].clone())?;
    Ok(())
}
