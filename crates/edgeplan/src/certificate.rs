//! Certificate files: a lower bound that can be checked without the solver.

use std::path::Path;

use edgeplan_certificate::{
    Certificate, ConfigurationCertificate, HostCertificate, Rejected, check, check_configurations,
    check_hosts,
};
use edgeplan_files::deployment::fingerprint;
use edgeplan_files::{InputError, check_schema, parse_json, read_text};
use edgeplan_joint::Joint;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Limits, Run, Silent};
use edgeplan_search::{ChainSearch, Climbing, uncertified};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{Phase, Progress};

const SCHEMA: &str = "edgeplan-certificate/1";

/// A certificate as a file: JSON with these keys. It has one of `certificate`, `hosts` and
/// `configurations`.
///
/// See [`certify`] for an example.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// `edgeplan-certificate/1`.
    schema: String,
    /// Fingerprint of the instance.
    instance: String,
    /// The claim, with all that it takes to check it: of one model in contiguous placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate>,
    /// The claim, with all that it takes to check it: of one model on hosts of several devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hosts: Option<HostCertificate>,
    /// The claim, with all that it takes to check it: of several models, free placement or a
    /// bottleneck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configurations: Option<ConfigurationCertificate>,
}

/// What shows that a lower bound holds.
#[derive(Debug)]
pub(crate) enum Proof {
    /// The shortest path of one model.
    Paths(Certificate),
    /// The shortest path of one model over hosts.
    Hosts(HostCertificate),
    /// The cheapest contents of devices.
    Configurations(ConfigurationCertificate),
}

impl Proof {
    /// The proof that [`Rederived`](crate::Rederived) looks at, or, more thoroughly, that a
    /// certificate carries. `known` is the cost of a feasible plan.
    ///
    /// # Errors
    /// Why there is none, for that kind of question or in that time.
    pub(crate) fn of(
        deployment: &Deployment,
        limits: Limits<'_>,
        climbing: Climbing,
        known: Option<Cost>,
    ) -> Result<Self, String> {
        let mut silent = Silent;
        let mut run = Run::new(deployment, limits, &mut silent);
        if deployment.has_hosts() {
            let proof = ChainSearch::default().certify_hosts(&mut run, known);
            return proof.map(Self::Hosts).map_err(|error| error.to_string());
        }
        if uncertified(deployment).is_none() {
            let proof = ChainSearch::default().certify(&mut run, climbing);
            return proof.map(Self::Paths).map_err(|error| error.to_string());
        }
        let proof = Joint::default().certify(&mut run, known);
        proof.map(Self::Configurations).map_err(|error| error.to_string())
    }

    /// What the checker says that it proves, at least what it claims.
    ///
    /// # Errors
    /// What the checker refuses.
    pub(crate) fn check(
        &self,
        deployment: &Deployment,
        known: Option<Cost>,
    ) -> Result<Cost, Rejected> {
        match self {
            Self::Paths(certificate) => check(deployment, certificate, known),
            Self::Hosts(certificate) => check_hosts(deployment, certificate, known),
            Self::Configurations(certificate) => {
                check_configurations(deployment, certificate, known)
            }
        }
    }

    /// The same with another claim.
    pub(crate) fn claiming(self, lower_bound: Cost) -> Self {
        match self {
            Self::Paths(certificate) => Self::Paths(Certificate { lower_bound, ..certificate }),
            Self::Hosts(certificate) => Self::Hosts(HostCertificate { lower_bound, ..certificate }),
            Self::Configurations(certificate) => {
                Self::Configurations(ConfigurationCertificate { lower_bound, ..certificate })
            }
        }
    }

    /// With the most that it proves of the deployment as its claim.
    ///
    /// # Errors
    /// What the checker refuses.
    pub(crate) fn proven(
        self,
        deployment: &Deployment,
        known: Option<Cost>,
    ) -> Result<(Self, Cost), Rejected> {
        let bound = self.check(deployment, known)?;
        Ok((self.claiming(bound), bound))
    }
}

/// Maximises the dual bound of the relaxation, and checks the certificate; `known` is the cost of a
/// feasible plan. The bound is [`Cost::MAX`] where the certificate shows that there is no plan.
///
/// ```
/// use edgeplan::{CertificateFile, Limits, Quiet, Sources, certify};
///
/// let models = vec!["catalog:tinyllama-1.1b".into()];
/// let session = Sources { models, ..Sources::default() }.load()?;
/// let deployment = session.deployment();
/// let limits = Limits { time: Some(std::time::Duration::from_secs(1)), ..Limits::default() };
/// let certified = certify(deployment, limits, None, &mut Quiet);
/// let (file, bound) = certified.map_err(edgeplan::Error::Impossible)?;
/// // The instance suffices to check the file: no solver runs.
/// let read = CertificateFile::parse("bound.json", &edgeplan_files::to_json(&file))?;
/// assert_eq!(read.proven("bound.json", deployment, None)?, bound);
/// # Ok::<(), edgeplan::Error>(())
/// ```
///
/// # Errors
/// Why there is no certificate, for that kind of question or in that time.
pub fn certify(
    deployment: &Deployment,
    limits: Limits<'_>,
    known: Option<Cost>,
    progress: &mut dyn Progress,
) -> Result<(CertificateFile, Cost), String> {
    progress.phase(Phase::Certifying);
    let proof = Proof::of(deployment, limits, Climbing::Thorough, known)?;
    // What is written is what was checked.
    let (proof, bound) = proof
        .proven(deployment, known)
        .map_err(|rejected| format!("the checker refuses it: {rejected}"))?;
    let instance = fingerprint(deployment);
    Ok((CertificateFile::of(instance, proof), bound))
}

impl CertificateFile {
    fn of(instance: String, proof: Proof) -> Self {
        let schema = SCHEMA.into();
        let empty = Self { schema, instance, certificate: None, hosts: None, configurations: None };
        match proof {
            Proof::Paths(proof) => Self { certificate: Some(proof), ..empty },
            Proof::Hosts(proof) => Self { hosts: Some(proof), ..empty },
            Proof::Configurations(proof) => Self { configurations: Some(proof), ..empty },
        }
    }

    /// Reads a certificate file.
    ///
    /// See [`certify`] for an example.
    ///
    /// # Errors
    /// A file that cannot be read, or of another schema.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        Self::parse(&path.display().to_string(), &read_text(path)?)
    }

    /// Parses a certificate file; `file` is only named in errors.
    ///
    /// See [`certify`] for an example.
    ///
    /// # Errors
    /// Syntax, unknown keys, another schema.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let parsed: Self = parse_json(file, text)?;
        check_schema(file, &parsed.schema, SCHEMA)?;
        let Self { certificate, hosts, configurations, .. } = &parsed;
        let given = [certificate.is_some(), hosts.is_some(), configurations.is_some()];
        if given.into_iter().filter(|&given| given).count() != 1 {
            let problem = "one of this key, `hosts` and `configurations` is needed, and no other";
            return Err(InputError::key(file, "certificate", problem));
        }
        Ok(parsed)
    }

    /// The bound that the certificate proves of the deployment; `known` is the cost of a feasible
    /// plan, `file` is only named in errors.
    ///
    /// See [`certify`] for an example.
    ///
    /// # Errors
    /// A certificate of another instance, or one that proves nothing.
    pub fn proven(
        &self,
        file: &str,
        deployment: &Deployment,
        known: Option<Cost>,
    ) -> Result<Cost, InputError> {
        let expected = fingerprint(deployment);
        if self.instance != expected {
            let problem = format!("`{}`; `{expected}` is expected", self.instance);
            return Err(InputError::key(file, "instance", problem));
        }
        let (key, checked) = if let Some(certificate) = &self.certificate {
            ("certificate", check(deployment, certificate, known))
        } else if let Some(certificate) = &self.hosts {
            ("hosts", check_hosts(deployment, certificate, known))
        } else if let Some(certificate) = &self.configurations {
            ("configurations", check_configurations(deployment, certificate, known))
        } else {
            return Err(InputError::key(file, "certificate", "is missing"));
        };
        checked.map_err(|rejected| InputError::key(file, key, rejected.to_string()))
    }
}

/// A certified bound, for people.
pub(crate) fn bound_text(deployment: &Deployment, bound: Cost) -> String {
    match bound {
        Cost::MAX => "certified: there is no plan".into(),
        bound => format!("certified: no plan is below {}", deployment.objective.amount(bound)),
    }
}

/// A certified bound, or why there is none. Names are stable keys.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertifiedKey {
    CertifiedLowerBound(Cost),
    CertifiedInfeasible(bool),
    CertificateMissing(String),
}

impl CertifiedKey {
    pub(crate) fn new(certified: &Result<Cost, String>) -> Self {
        match certified {
            Ok(Cost::MAX) => Self::CertifiedInfeasible(true),
            Ok(bound) => Self::CertifiedLowerBound(*bound),
            Err(reason) => Self::CertificateMissing(reason.clone()),
        }
    }
}
