//! The question that a command is asked: an instance file, or a model on a cluster.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::builder::NonEmptyStringValueParser;
use edgeplan_instances::build::{Stated, prompt_alone, state};
use edgeplan_instances::cluster::Cluster;
use edgeplan_instances::file::{InputError, nearest, read_text};
use edgeplan_instances::instance::read_instance;
use edgeplan_instances::model::{self, ModelSpec};
use edgeplan_instances::sensitivity::measured::Sensed;
use edgeplan_instances::workload::Workload;
use edgeplan_problem::Problem;
use edgeplan_problem::deployment::Deployment;
use edgeplan_runtimes::{RUNTIMES, Runtime};
use edgeplan_simulator::Size;
use edgeplan_solvers::{DEPLOYMENT, Entry};
use edgeplan_what_if::{Change, faster_pair};

/// Changed questions, each made when it is asked for.
type Changes<'a> = Box<dyn Iterator<Item = Result<Change>> + 'a>;

const EXAMPLE_MODEL: &str = "catalog:llama-3.1-8b";
const EXAMPLE_CLUSTER: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

/// Which instance, and how long to think about it.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// Instance file (JSON) in place of --model, --cluster and --workload
    instance: Option<PathBuf>,
    /// Model: `catalog:NAME`, a GGUF file, or a Hugging Face config.json or its folder; repeat for
    /// several models on one cluster [default: catalog:llama-3.1-8b]
    #[arg(long, conflicts_with = "instance", value_parser = NonEmptyStringValueParser::new())]
    model: Vec<String>,
    /// Cluster: a cluster.toml [default: a laptop, two Jetsons and a GPU desktop]
    #[arg(long, conflicts_with = "instance")]
    cluster: Option<PathBuf>,
    /// Workload: a workload.toml [default: 512 prompt tokens, 128 generated tokens, quality of
    /// q4_K_M]
    #[arg(long, conflicts_with = "instance")]
    workload: Option<PathBuf>,
    #[arg(
        long = "for",
        value_name = "ENGINE",
        value_parser = Runtime::find,
        help = engine_help("Engine whose limits hold and whose overheads are priced")
    )]
    pub(crate) runtime: Option<&'static Runtime>,
    /// Measured loss by tensor and format, a file of `edgeplan sensitivity`, in place of estimates;
    /// repeat for several models
    #[arg(long, conflicts_with = "instance")]
    sensitivity: Vec<PathBuf>,
    /// Time limit per solver, in seconds
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) time: f64,
    /// Relative gap between cost and lower bound at which a plan counts as optimal
    #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true, value_parser = fraction)]
    pub(crate) gap: f64,
    /// Random seed
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Threads of HiGHS and CBC; other solvers use one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: u32,
}

/// A question for one solver.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Solver, one of `edgeplan solvers`
    #[arg(long, default_value = "chain-search")]
    solver: String,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl Asked {
    /// The instance, how well its times are known, and who is asked.
    pub(crate) fn read(&self) -> Result<(Stated, &'static Entry)> {
        Ok((self.question.read()?, self.solver()?))
    }

    /// Who is asked.
    pub(crate) fn solver(&self) -> Result<&'static Entry> {
        find_solver(&self.solver)
    }
}

/// The help text of an argument that names an engine: what it is for, and all engines.
pub(crate) fn engine_help(what: &str) -> String {
    let names: Vec<&str> = RUNTIMES.iter().map(|runtime| runtime.name).collect();
    format!("{what}: {}", names.join(", "))
}

/// The solver of that name, or an error with the nearest one.
pub(crate) fn find_solver(name: &str) -> Result<&'static Entry> {
    find_among(DEPLOYMENT, name, "solver", "`edgeplan solvers` lists them")
}

/// The entry of that name; otherwise an error that says of what kind there is none, with the
/// nearest name or else `instead`.
pub(crate) fn find_among<P: Problem>(
    entries: &'static [Entry<P>],
    name: &str,
    kind: &str,
    instead: &str,
) -> Result<&'static Entry<P>> {
    entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let near = nearest(name, entries.iter().map(|entry| entry.name));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        anyhow!("no {kind} is called `{name}`; {}", hint.unwrap_or_else(|| instead.into()))
    })
}

/// What of an engine a question takes into account.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope {
    /// Nothing.
    Open,
    /// How it works; formats are offered as if for any engine.
    Priced(&'static Runtime),
    /// How it works, and the formats that it has.
    Within(&'static Runtime),
}

impl Question {
    /// Reads or builds the instance.
    pub(crate) fn read(&self) -> Result<Stated> {
        self.read_in(self.scope())
    }

    /// What the command line says of an engine.
    fn scope(&self) -> Scope {
        self.runtime.map_or(Scope::Open, Scope::Within)
    }

    /// Reads or builds the instance as an engine sees it.
    pub(crate) fn read_in(&self, scope: Scope) -> Result<Stated> {
        match &self.instance {
            Some(path) => {
                let file = path.display().to_string();
                let instance = read_instance(&file, &read_text(path)?)?;
                Ok(restricted(instance.into(), scope, &file)?)
            }
            None => {
                let Parts { models, cluster, workload } = self.parts(scope)?;
                let stated = self.build(&models, &cluster, &workload)?;
                Ok(restricted(stated, scope, BUILT)?)
            }
        }
    }

    /// The workload as an engine sees it; an instance file has none.
    pub(crate) fn workload_in(&self, scope: Scope) -> Result<Option<Workload>> {
        Ok(match self.instance {
            Some(_) => None,
            None => Some(self.parts(scope)?.workload),
        })
    }

    /// The models as they were named; an instance file names none.
    pub(crate) fn model_names(&self) -> Vec<&str> {
        match (&self.instance, self.model.is_empty()) {
            (Some(_), _) => Vec::new(),
            (None, true) => vec![EXAMPLE_MODEL],
            (None, false) => self.model.iter().map(String::as_str).collect(),
        }
    }

    /// What an engine sees of [`Question::prompt_alone`].
    pub(crate) fn prompt_alone_in(&self, scope: Scope) -> Result<Option<(Size, Deployment)>> {
        if self.instance.is_some() {
            return Ok(None);
        }
        let Parts { models, cluster, workload } = self.parts(scope)?;
        let size = Size { prompt: workload.prompt, generate: workload.generate };
        let whole = self.build(&models, &cluster, &workload)?.deployment;
        let alone = prompt_alone(&models, &cluster, &workload, &whole)?;
        Ok(Some((size, restricted(alone.into(), scope, BUILT)?.deployment)))
    }

    /// What the instance is priced for, and the same instance priced for prompts alone: an instance
    /// file has neither.
    pub(crate) fn prompt_alone(&self, instance: &Deployment) -> Result<Option<(Size, Deployment)>> {
        if self.instance.is_some() {
            return Ok(None);
        }
        if self.runtime.is_some() {
            return self.prompt_alone_in(self.scope());
        }
        let Parts { models, cluster, workload } = self.parts(Scope::Open)?;
        let size = Size { prompt: workload.prompt, generate: workload.generate };
        Ok(Some((size, prompt_alone(&models, &cluster, &workload, instance)?)))
    }

    /// The instance once for each link of the cluster, with 10 % more bandwidth there. An instance
    /// file has no links: there, once for each pair of devices, with 10 % less time between them.
    /// How many there are, and each of them when it is asked for: an instance may be large.
    pub(crate) fn faster_links<'a>(
        &'a self,
        instance: &'a Deployment,
    ) -> Result<(usize, Changes<'a>)> {
        if self.instance.is_some() {
            let (ids, count) = (|| instance.device_ids(), instance.devices.len());
            let pairs = ids().flat_map(move |a| ids().filter(move |&b| a < b).map(move |b| (a, b)));
            let changes = pairs.map(|(a, b)| Ok(faster_pair(instance, a, b)));
            return Ok((count * count.saturating_sub(1) / 2, Box::new(changes)));
        }
        let Parts { models, cluster, workload } = self.parts(self.scope())?;
        let count = cluster.links().len();
        let change = move |index: usize| {
            let ends = cluster.links()[index].between.join(" - ");
            let cluster = cluster.with_faster_link(index, 10)?;
            let stated = self.build(&models, &cluster, &workload)?;
            let instance = restricted(stated, self.scope(), BUILT)?.deployment;
            Ok(Change { name: format!("+10 % bandwidth {ends}"), instance })
        };
        Ok((count, Box::new((0..count).map(change))))
    }

    /// States the question; what is wrong with the workload is blamed on its file.
    fn build(
        &self,
        models: &[ModelSpec],
        cluster: &Cluster,
        workload: &Workload,
    ) -> Result<Stated, InputError> {
        state(models, cluster, workload).map_err(|error| self.blame(error))
    }

    /// What is wrong with the workload is wrong with its file.
    fn blame(&self, error: InputError) -> InputError {
        match &self.workload {
            Some(path) if error.file == "workload" => {
                InputError { file: path.display().to_string(), ..error }
            }
            _ => error,
        }
    }

    fn parts(&self, scope: Scope) -> Result<Parts> {
        let cluster = read_cluster(self.cluster.as_deref())?;
        let workload = match &self.workload {
            Some(path) => Workload::parse(&path.display().to_string(), &read_text(path)?)?,
            None => Workload::default(),
        };
        let workload = match scope {
            Scope::Open => Ok(workload),
            Scope::Priced(runtime) => runtime.serving(&workload),
            Scope::Within(runtime) => runtime.within(&workload),
        };
        let workload = workload.map_err(|error| self.blame(error))?;
        let example = [EXAMPLE_MODEL.to_owned()];
        let specs = if self.model.is_empty() { &example[..] } else { &self.model[..] };
        let mut models =
            specs.iter().map(|spec| model::load(spec)).collect::<Result<Vec<_>, _>>()?;
        for path in &self.sensitivity {
            attach(&mut models, path)?;
        }
        Ok(Parts { models, cluster, workload })
    }
}

/// What an instance without a file is blamed on.
const BUILT: &str = "model, cluster and workload";

/// The question within what an engine can do. Of its times nothing more is known then than what
/// they are: intervals are kept by recipe of the whole question.
fn restricted(stated: Stated, scope: Scope, file: &str) -> Result<Stated, InputError> {
    let (runtime, restricted) = match scope {
        Scope::Open => return Ok(stated),
        Scope::Priced(runtime) => (runtime, runtime.price(&stated.deployment)),
        Scope::Within(runtime) => (runtime, runtime.restrict(&stated.deployment)),
    };
    let problem = |text: String| InputError::file(file, format!("for {}: {text}", runtime.name));
    let mut restricted: Stated = restricted.map_err(problem)?.into();
    restricted.notes = stated.notes;
    Ok(restricted)
}

/// Puts measurements on the model that they are about: the one of that name, or the only one.
fn attach(models: &mut [ModelSpec], path: &Path) -> Result<(), InputError> {
    let file = path.display().to_string();
    let sensed = Sensed::parse(&file, &read_text(path)?)?;
    let index = models.iter().position(|model| model.name == sensed.header.model);
    let Some(index) = index.or((models.len() == 1).then_some(0)) else {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let problem = format!("`{}`; models are {}", sensed.header.model, names.join(", "));
        return Err(InputError::key(file, "model", problem));
    };
    models[index] = sensed.attach(models[index].clone())?;
    Ok(())
}

/// A cluster.toml, or the example.
pub(crate) fn read_cluster(path: Option<&Path>) -> Result<Cluster, InputError> {
    match path {
        Some(path) => Cluster::parse(&path.display().to_string(), &read_text(path)?),
        None => Cluster::parse("example cluster", EXAMPLE_CLUSTER),
    }
}

/// What an instance is built from.
struct Parts {
    models: Vec<ModelSpec>,
    cluster: Cluster,
    workload: Workload,
}

/// Seconds of an argument.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e7).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 10000000 is allowed".into()),
    }
}

/// A rate of learning of an argument.
pub(crate) fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1.0 => Ok(rate),
        _ => Err("a number above 0, up to 1, is allowed".into()),
    }
}

/// A gap of an argument.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(gap) if (0.0..1.0).contains(&gap) => Ok(gap),
        _ => Err("a number from 0 to below 1 is allowed".into()),
    }
}
