//! The door of the checker: what it refuses, and what an accepted certificate proves.

use edgeplan_problem::Cost;
use edgeplan_problem::deployment::{Deployment, Objective, Placement};

use crate::Certificate;
use crate::relaxation::Relaxation;
use crate::size;

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The checker does not know such instances.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The instance itself makes no sense.
    #[error("the instance makes no sense: {0}")]
    Instance(String),
    /// The certificate is not of this instance's size, or its numbers make no sense.
    #[error("{0}")]
    Malformed(&'static str),
    /// Checking it would take more memory or time than is allowed for the instance.
    #[error("checking it takes {needed} {what}; at most {allowed} are allowed for this instance")]
    TooLarge {
        /// What of.
        what: &'static str,
        /// How many it takes.
        needed: u128,
        /// How many are allowed.
        allowed: u128,
    },
    /// A feasible plan costs less than the bound.
    #[error("it says that no plan is below {bound}, but a feasible plan costs {cost}")]
    AbovePlan {
        /// The claim, or what the checker found.
        bound: Cost,
        /// The cost of that plan.
        cost: Cost,
    },
    /// The prices prove less than is claimed.
    #[error("it claims {claimed}, its prices prove {proven}")]
    Unproven {
        /// The claim.
        claimed: Cost,
        /// What the checker found.
        proven: Cost,
    },
}

/// A finer scale than 2^-40 is of no use.
pub(crate) const SCALE_BITS_MAX: u32 = 40;
/// Remembered devices per device, at most: rows double with each.
const REMEMBERED_MAX: usize = 16;

/// Checks a certificate and returns what it proves, at least what it claims. `known` is the cost of
/// a plan that `evaluate()` found feasible, if there is one.
///
/// # Errors
/// When it proves less, nothing at all, or more than the known plan costs; when checking it would
/// take more memory or time than is allowed for an instance of that size.
///
/// # Complexity
/// O(layers * rows * (options * steps + devices * remembered)) time and O(rows * steps) memory,
/// rows being devices times remembered subsets; see the crate's documentation for the
/// limits.
///
/// # Examples
/// A bound above a plan's cost is refused before anything is computed:
///
/// ```
/// # use edgeplan_certificate::{Certificate, Rejected, check};
/// # use edgeplan_problem::deployment::*;
/// # use edgeplan_problem::*;
/// # let option = LayerOption {
/// #     recipe: "f16".into(), bytes: Bytes(3), shared: None, loss: Loss(0),
/// #     compute: vec![Some(Nanos(7))],
/// # };
/// # let layer = Layer {
/// #     joined: false,
/// #     role: "block".into(), options: vec![option], kv: Bytes(0), pin: None, output: 0,
/// # };
/// # let model = Model {
/// #     name: "m".into(), weight: 1, layers: vec![layer], loss_max: None, activation: Bytes(0),
/// #     shared: vec![], enter: 0, leave: 0,
/// #     messages: vec![Message { bytes: Bytes(1), time: vec![Some(Nanos(0))] }],
/// # };
/// # let device = Device {
/// #     host: None,
/// #     name: "d".into(), memory: Bytes(8), overhead: Bytes(0), compute_max: None,
/// #     traffic_max: None,
/// # };
/// # let instance = Deployment {
/// #     hosts: Vec::new(),
/// #     name: "one layer of 7 ns".into(), objective: Objective::Latency,
/// #     placement: Placement::Contiguous, source: DeviceId(0), devices: vec![device],
/// #     models: vec![model], latency_max: None, bottleneck_max: None,
/// # };
/// let mut certificate = Certificate {
///     lower_bound: Cost(7),
///     scale_bits: 0,
///     loss_price: 0,
///     visit_price: vec![0],
///     remembered: vec![vec![]],
///     unit: vec![1],
///     reference: vec![vec![3]],
/// };
/// assert_eq!(check(&instance, &certificate, Some(Cost(7))), Ok(Cost(7)));
/// certificate.lower_bound = Cost(8);
/// let refused = check(&instance, &certificate, Some(Cost(7)));
/// assert_eq!(refused, Err(Rejected::AbovePlan { bound: Cost(8), cost: Cost(7) }));
/// ```
pub fn check(
    instance: &Deployment,
    certificate: &Certificate,
    known: Option<Cost>,
) -> Result<Cost, Rejected> {
    supported(instance)?;
    shaped(instance, certificate)?;
    size::allowed(instance, certificate)?;
    // Magnitudes: the instance may come from anywhere, too.
    instance.clone().checked().map_err(|invalid| Rejected::Instance(invalid.to_string()))?;
    not_above(certificate.lower_bound, known)?;
    let proven = Relaxation::new(instance, certificate).bound();
    settled(certificate.lower_bound, proven, known)
}

/// A bound above the cost of a feasible plan is false, whatever its proof.
pub(crate) fn not_above(bound: Cost, known: Option<Cost>) -> Result<(), Rejected> {
    match known.filter(|&cost| bound > cost) {
        Some(cost) => Err(Rejected::AbovePlan { bound, cost }),
        None => Ok(()),
    }
}

/// What was proven, if that is as much as is claimed, and no known plan costs less.
pub(crate) fn settled(claimed: Cost, proven: Cost, known: Option<Cost>) -> Result<Cost, Rejected> {
    not_above(proven, known)?;
    match proven >= claimed {
        true => Ok(proven),
        false => Err(Rejected::Unproven { claimed, proven }),
    }
}

fn supported(instance: &Deployment) -> Result<(), Rejected> {
    let unsupported = |text| Err(Rejected::Unsupported(text));
    if instance.models.len() != 1 {
        return unsupported("only one model can be checked");
    }
    if instance.placement != Placement::Contiguous {
        return unsupported("only contiguous placement can be checked");
    }
    if instance.objective == Objective::Bottleneck {
        return unsupported("a bottleneck cannot be checked");
    }
    if instance.has_hosts() {
        // Inside of a host a plan may return to a device, which a visit price would charge for.
        return unsupported("a path over devices says nothing of hosts of several devices");
    }
    Ok(())
}

/// Whether the certificate's lists are those of an instance of that size.
fn shaped(instance: &Deployment, certificate: &Certificate) -> Result<(), Rejected> {
    let malformed = |text| Err(Rejected::Malformed(text));
    let (devices, layers) = (instance.devices.len(), instance.models[0].layers.len());
    let Certificate { visit_price, remembered, unit, reference, .. } = certificate;
    let lists = [visit_price.len(), remembered.len(), unit.len(), reference.len()];
    if lists.iter().any(|&length| length != devices) {
        return malformed("not as many entries as devices");
    }
    if reference.iter().any(|references| references.len() != layers) {
        return malformed("not as many references as layers");
    }
    if certificate.scale_bits > SCALE_BITS_MAX {
        return malformed("a scale of more than 40 bits");
    }
    if unit.contains(&0) {
        return malformed("a step of 0 bytes");
    }
    if is_strange(remembered) {
        return malformed("a device remembers itself, an unknown one, one twice, or more than 16");
    }
    Ok(())
}

/// Whether one of the sets has a member that is its owner, unknown or repeated, or too many.
pub(crate) fn is_strange(remembered: &[Vec<usize>]) -> bool {
    let strange = |(own, set): (usize, &Vec<usize>)| {
        let repeated = |(at, other): (usize, &usize)| set[..at].contains(other);
        set.len() > REMEMBERED_MAX
            || set.iter().any(|&other| other >= remembered.len() || other == own)
            || set.iter().enumerate().any(repeated)
    };
    remembered.iter().enumerate().any(strange)
}
