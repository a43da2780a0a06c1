//! What was loaded, priced once.

use std::sync::{Arc, OnceLock};

use edgeplan_files::InputError;
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::device::Backend;
use edgeplan_model::ModelSpec;
use edgeplan_model::gguf::Projector;
use edgeplan_pricing::workload::Workload;
use edgeplan_pricing::{CacheFormats, End, PricedDeployment, price, prompt_alone, whole_requests};
use edgeplan_problem::deployment::Deployment;
use edgeplan_runtimes::Runtime;
use edgeplan_simulator::Size;

use crate::Error;
use crate::cache::CacheChoice;
use crate::sought::Sought;

/// What of an engine a question takes into account.
///
/// ```
/// use edgeplan::{Runtime, Sources, View};
///
/// let open = Sources::default().load()?;
/// let llama_cpp = Runtime::find("llama.cpp").map_err(edgeplan::Error::Impossible)?;
/// let within = open.viewed(View::Within(llama_cpp))?;
/// let options = |of: &edgeplan::Session| of.deployment().models[0].layers[1].options.len();
/// assert!(options(&within) <= options(&open));
/// # Ok::<(), edgeplan::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum View {
    /// Nothing: any plan, priced by kernels and links alone.
    Open,
    /// How it works, with the formats of the open question.
    PricedFor(&'static Runtime),
    /// How it works, and only what it can run.
    Within(&'static Runtime),
}

impl View {
    fn runtime(self) -> Option<&'static Runtime> {
        match self {
            Self::Open => None,
            Self::PricedFor(runtime) | Self::Within(runtime) => Some(runtime),
        }
    }
}

/// What a question was built from.
///
/// See [`Session`] for an example.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The models as they were named.
    pub names: Vec<String>,
    /// The models.
    pub models: Vec<ModelSpec>,
    /// The machines.
    pub cluster: Cluster,
    /// The workload, before an engine changed it.
    pub workload: Workload,
    /// A vision projector beside the model.
    pub projector: Option<Projector>,
    /// The workload's file, for errors.
    pub(crate) workload_file: Option<String>,
}

/// Where a session's question comes from. Views of one session share it.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A file, by name.
    Instance(Arc<(String, Deployment)>),
    /// Models, machines and a workload.
    Built(Arc<Inputs>),
}

/// What a question without a file is blamed on.
const BUILT: &str = "model, cluster and workload";

/// A question: loaded once, priced once for one view of an engine.
///
/// ```
/// use edgeplan::Sources;
///
/// let session = Sources::default().load()?;
/// let inputs = session.inputs().expect("no file");
/// let size = session.request_size().expect("no file");
/// println!("{} on {} devices", inputs.names[0], session.deployment().devices.len());
/// println!("{} prompt tokens, {} generated", size.prompt, size.generate);
/// println!("KV cache in {}", session.workload().expect("no file").kv.used());
/// let requests = session.requests()?.expect("no file");
/// assert_eq!(requests.whole.devices, session.priced().deployment.devices);
/// assert!(session.sought().is_none(), "the objective is the latency");
/// # Ok::<(), edgeplan::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    origin: Origin,
    view: View,
    /// The workload as the engine serves it; an instance file has none.
    workload: Option<Workload>,
    priced: PricedDeployment,
    /// The problem before an engine restricted it and a projector took memory; none where neither
    /// did.
    unrestricted: Option<Deployment>,
    /// What the objective looked for; see [`Session::resolved`].
    pub(crate) sought: Option<Sought>,
    /// Which format of the KV cache was chosen of several; see [`Session::resolved`].
    pub(crate) cache: Option<CacheChoice>,
    /// Once asked for: at medians of compute times, and at both ends of their intervals.
    requests: [OnceLock<Option<Requests>>; 3],
}

/// The times of requests, whose plans are those of the session's problem.
///
/// See [`Session`] for an example.
#[derive(Debug, Clone)]
pub struct Requests {
    /// What one request is.
    pub size: Size,
    /// Whole requests.
    pub whole: Deployment,
    /// Requests that end with their prompt: what whole ones take beyond that is decode.
    pub prompt: Deployment,
}

impl Session {
    pub(crate) fn new(origin: Origin, view: View) -> Result<Self, Error> {
        let (workload, open, file) = match &origin {
            Origin::Instance(instance) => {
                let (file, deployment) = &**instance;
                (None, PricedDeployment::from(deployment.clone()), file.as_str())
            }
            Origin::Built(inputs) => {
                let workload = inputs.served(view)?;
                let priced = inputs.price_usable(&workload)?;
                (Some(workload), priced, BUILT)
            }
        };
        let inputs = match &origin {
            Origin::Built(inputs) => Some(&**inputs),
            Origin::Instance(_) => None,
        };
        let changed = view.runtime().is_some() || inputs.is_some_and(|i| i.projector.is_some());
        let unrestricted = changed.then(|| open.deployment.clone());
        let priced = restricted(open, view, file)?;
        let priced = match inputs {
            Some(inputs) => inputs.with_projector(priced)?,
            None => priced,
        };
        Ok(Self {
            origin,
            view,
            workload,
            priced,
            unrestricted,
            sought: None,
            cache: None,
            requests: Default::default(),
        })
    }

    /// The question of a deployment that the caller made; `name` stands for its file in errors.
    ///
    /// ```
    /// use edgeplan::{Session, Sources};
    ///
    /// let mut deployment = Sources::default().load()?.deployment().clone();
    /// deployment.devices[0].memory = edgeplan_problem::Bytes(1 << 30);
    /// let changed = Session::of("a smaller laptop", deployment)?;
    /// assert!(changed.inputs().is_none());
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// A deployment that makes no sense ([`Deployment::checked`]).
    pub fn of(name: &str, deployment: Deployment) -> Result<Self, Error> {
        let deployment =
            deployment.checked().map_err(|error| InputError::file(name, error.to_string()))?;
        Self::new(Origin::Instance(Arc::new((name.to_owned(), deployment))), View::Open)
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn view(&self) -> View {
        self.view
    }

    /// What the objective looked for before any plan was; none of most objectives.
    ///
    /// See [`Session`] for an example.
    pub fn sought(&self) -> Option<Sought> {
        self.sought
    }

    /// Which format of the KV cache was chosen; none where the workload names one.
    ///
    /// See [`Session::resolved`] for an example.
    pub fn cache_choice(&self) -> Option<&CacheChoice> {
        self.cache.as_ref()
    }

    /// The problem.
    ///
    /// See [`Session::of`] for an example.
    pub fn deployment(&self) -> &Deployment {
        &self.priced.deployment
    }

    /// The problem with the intervals and origins of its compute times.
    ///
    /// See [`Session`] for an example.
    pub fn priced(&self) -> &PricedDeployment {
        &self.priced
    }

    /// What the question was built from; none for an instance file.
    ///
    /// See [`Session`] for an example.
    pub fn inputs(&self) -> Option<&Inputs> {
        match &self.origin {
            Origin::Instance(_) => None,
            Origin::Built(inputs) => Some(inputs),
        }
    }

    /// The workload as the engine of this view serves it; none for an instance file.
    ///
    /// See [`Session`] for an example.
    pub fn workload(&self) -> Option<&Workload> {
        self.workload.as_ref()
    }

    /// The engine that plans must be within; none where any plan will do.
    pub(crate) fn engine(&self) -> Option<&'static Runtime> {
        match self.view {
            View::Within(runtime) => Some(runtime),
            View::Open | View::PricedFor(_) => None,
        }
    }

    /// The same question in another view: nothing is read again.
    ///
    /// See [`View`] for an example.
    ///
    /// # Errors
    /// What the engine cannot do.
    pub fn viewed(&self, view: View) -> Result<Self, Error> {
        Self::new(self.origin.clone(), view)
    }

    /// The request that the problem's times are of; none for an instance file.
    ///
    /// See [`Session`] for an example.
    pub fn request_size(&self) -> Option<Size> {
        self.workload.as_ref().map(request)
    }

    /// The same problem priced for whole requests, and for requests that end with their prompt: a
    /// plan of one is a plan of the others. None for an instance file.
    ///
    /// See [`Session`] for an example.
    ///
    /// # Errors
    /// As [`Sources::load`](crate::Sources::load).
    pub fn requests(&self) -> Result<Option<&Requests>, Error> {
        self.requests_at(None)
    }

    /// [`Session::requests`] with medians of compute times, or one end of their intervals.
    ///
    /// # Errors
    /// As [`Session::requests`].
    pub(crate) fn requests_at(&self, end: Option<End>) -> Result<Option<&Requests>, Error> {
        let cell = &self.requests[match end {
            None => 0,
            Some(End::Low) => 1,
            Some(End::High) => 2,
        }];
        let known = match cell.get() {
            Some(known) => known,
            None => {
                let priced = self.price_requests(end)?;
                cell.get_or_init(|| priced)
            }
        };
        Ok(known.as_ref())
    }

    fn price_requests(&self, end: Option<End>) -> Result<Option<Requests>, Error> {
        let (Some(inputs), Some(workload)) = (self.inputs(), &self.workload) else {
            return Ok(None);
        };
        // An engine's restriction is laid over the open question, not over itself.
        let open = self.unrestricted.as_ref().unwrap_or(&self.priced.deployment);
        let (models, cluster) = (&inputs.models, &inputs.cluster);
        let prompt = prompt_alone(models, cluster, workload, open, end)?;
        let whole = match (workload.is_decode_alone(), end) {
            (true, _) => {
                let whole = whole_requests(models, cluster, workload, open, end)?;
                restricted(whole.into(), self.view, BUILT)?.deployment
            }
            (false, Some(end)) => self.priced.at(end),
            (false, None) => self.priced.deployment.clone(),
        };
        let prompt = restricted(prompt.into(), self.view, BUILT)?.deployment;
        Ok(Some(Requests { size: request(workload), whole, prompt }))
    }

    /// The problem on another network.
    pub(crate) fn on_cluster(
        &self,
        inputs: &Inputs,
        cluster: &Cluster,
    ) -> Result<Deployment, Error> {
        let workload = self.workload.as_ref().unwrap_or(&inputs.workload);
        let priced = inputs.price(cluster, workload)?;
        Ok(inputs.with_projector(restricted(priced, self.view, BUILT)?)?.deployment)
    }
}

fn request(workload: &Workload) -> Size {
    Size { prompt: workload.prompt, generate: workload.generate }
}

impl Inputs {
    /// The workload as an engine serves it.
    fn served(&self, view: View) -> Result<Workload, InputError> {
        let served = match view {
            View::Open => Ok(self.workload.clone()),
            View::PricedFor(runtime) => runtime.serving(&self.workload),
            View::Within(runtime) => runtime.within(&self.workload),
        };
        served.map_err(|error| self.blame(error))
    }

    /// The backends of the devices, as far as they are known.
    pub(crate) fn backends(&self) -> Result<Vec<Option<Backend>>, InputError> {
        (0..self.cluster.devices.len()).map(|device| self.cluster.backend(device)).collect()
    }

    fn price(
        &self,
        cluster: &Cluster,
        workload: &Workload,
    ) -> Result<PricedDeployment, InputError> {
        price(&self.models, cluster, workload).map_err(|error| self.blame(error))
    }

    /// Where llama.cpp puts a projector without a device of its own: on the first
    /// accelerator of the source's host, or else beside its processor.
    pub(crate) fn projector_device(&self) -> Result<usize, InputError> {
        let backends = self.backends()?;
        let here = |device: &usize| *device == 0 || self.cluster.share_host(0, *device);
        let accelerator = |device: &usize| backends[*device].is_some_and(|b| !b.is_cpu());
        Ok((0..backends.len()).filter(here).find(accelerator).unwrap_or(0))
    }

    /// The problem with a projector in the memory of its device.
    fn with_projector(&self, mut priced: PricedDeployment) -> Result<PricedDeployment, InputError> {
        let Some(Projector { file, bytes }) = &self.projector else { return Ok(priced) };
        let device = &mut priced.deployment.devices[self.projector_device()?];
        device.overhead += *bytes;
        priced.notes.push(format!(
            "{}: {bytes} of what the engine needs are the projector {file}; buffers of images are \
             not counted",
            device.name
        ));
        Ok(priced)
    }

    /// The problem with the first format of the KV cache that can be used.
    fn price_usable(&self, workload: &Workload) -> Result<PricedDeployment, InputError> {
        let first = self.price(&self.cluster, workload);
        let others = workload.kv.all().iter().skip(1);
        let with = |&format| {
            let workload = Workload { kv: CacheFormats::from(format), ..workload.clone() };
            self.price(&self.cluster, &workload).ok()
        };
        first.or_else(|error| others.filter_map(with).next().ok_or(error))
    }

    /// An error of a key of the workload.
    pub(crate) fn refuses(&self, key: &str, problem: &str) -> InputError {
        self.blame(InputError::key("workload", key, problem.to_owned()))
    }

    /// What is wrong with the workload is wrong with its file.
    fn blame(&self, error: InputError) -> InputError {
        match &self.workload_file {
            Some(file) if error.file == "workload" => InputError { file: file.clone(), ..error },
            _ => error,
        }
    }
}

/// The question within what an engine can do, or priced as it works.
fn restricted(
    priced: PricedDeployment,
    view: View,
    file: &str,
) -> Result<PricedDeployment, InputError> {
    let Some(runtime) = view.runtime() else { return Ok(priced) };
    let restricted = priced.restricted(|whole| match view {
        View::Within(_) => runtime.restrict(whole),
        View::Open | View::PricedFor(_) => runtime.price(whole),
    });
    restricted.map_err(|text| InputError::file(file, format!("for {}: {text}", runtime.name)))
}
