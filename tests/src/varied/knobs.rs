//! What an instance may contain.

use edgeplan_problem::deployment::{Objective, Placement};

use super::Magnitude;
use crate::random::Random;

/// The knobs of the generator. Percentages say how often a feature occurs within one instance;
/// zero turns a kind of trouble off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knobs {
    /// What is minimised.
    pub(crate) objective: Objective,
    /// Where layers may lie.
    pub(crate) placement: Placement,
    /// Devices.
    pub(crate) devices: u64,
    /// Models.
    pub(crate) models: u64,
    /// Most layers per model.
    pub(crate) layers_max: u64,
    /// Most options per layer.
    pub(crate) options_max: u64,
    /// Devices have room for that percentage of the smallest options, together; without it,
    /// memory does not depend on the models.
    pub(crate) room: Option<u64>,
    /// All devices have the same memory, times and links.
    pub(crate) identical_devices: bool,
    /// All layers of a model are the same.
    pub(crate) identical_layers: bool,
    /// Compute times that are zero.
    pub(crate) free_compute: u64,
    /// Transfer times and message bytes that are zero.
    pub(crate) free_hops: u64,
    /// Bytes of options, KV cache, activations, shared tensors and overheads that are zero.
    pub(crate) no_bytes: u64,
    /// Losses that are zero.
    pub(crate) no_loss: u64,
    /// Pairs of devices without a way from one to the other.
    pub(crate) unreachable: u64,
    /// Devices that cannot run an option.
    pub(crate) unusable: u64,
    /// Options that name a shared tensor.
    pub(crate) shared: u64,
    /// Only the ends of the chain share tensors (tied embeddings), one for each option.
    pub(crate) tied_ends: bool,
    /// Layers that are pinned.
    pub(crate) pinned: u64,
    /// Largest weight of a model.
    pub(crate) weight_max: u64,
    /// How limits are set.
    pub(crate) limits: LimitKind,
    /// How often each kind of limit is set, and each device's memory drawn tight.
    pub(crate) limited: u64,
    /// How large the numbers are.
    pub(crate) magnitude: Magnitude,
}

/// How the limits of an instance are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitKind {
    /// At random: some bind, some exclude every plan, some are zero or the largest value.
    Loose,
    /// What one plan uses, exactly.
    Exact,
    /// What one plan uses, some of them less one.
    Missed,
}

impl Knobs {
    pub(crate) fn drawn(random: &mut Random) -> Self {
        let zeros = |random: &mut Random| random.pick(&[0, 0, 10, 30, 60, 100]);
        let trouble = |random: &mut Random| random.pick(&[0, 0, 0, 15, 30]);
        Self {
            objective: random.pick(&[Objective::Latency, Objective::Bottleneck, Objective::Memory]),
            placement: random.pick(&[Placement::Contiguous, Placement::Free]),
            devices: random.pick(&[1, 2, 2, 3, 3, 4, 5]),
            models: random.pick(&[1, 1, 1, 1, 2, 2, 3]),
            layers_max: random.pick(&[1, 2, 3, 4, 5, 6]),
            options_max: random.pick(&[1, 2, 3, 4]),
            room: random.pick(&[None, None, Some(200), Some(350)]),
            identical_devices: random.chance(25),
            identical_layers: random.chance(20),
            free_compute: zeros(random),
            free_hops: zeros(random),
            no_bytes: zeros(random),
            no_loss: zeros(random),
            unreachable: trouble(random),
            unusable: trouble(random),
            shared: random.pick(&[0, 0, 0, 40, 100]),
            tied_ends: random.chance(50),
            pinned: trouble(random),
            weight_max: random.pick(&[1, 1, 3, 1_000]),
            limits: random.pick(&[
                LimitKind::Loose,
                LimitKind::Loose,
                LimitKind::Exact,
                LimitKind::Missed,
            ]),
            limited: random.pick(&[0, 0, 10, 25, 60]),
            magnitude: random.pick(&[
                Magnitude::Small,
                Magnitude::Small,
                Magnitude::Small,
                Magnitude::Small,
                Magnitude::Real,
                Magnitude::Real,
                Magnitude::Far,
                Magnitude::Largest,
            ]),
        }
    }

    /// The same with more layers and devices, and without what would leave no plan.
    pub(crate) fn large(self, random: &mut Random) -> Self {
        Self {
            devices: 4 + random.up_to(2),
            models: 1 + u64::from(random.chance(15)),
            layers_max: 6 + random.up_to(6),
            room: Some(150 + random.up_to(250)),
            unusable: self.unusable / 4,
            unreachable: self.unreachable / 4,
            pinned: self.pinned / 4,
            limited: self.limited / 4,
            magnitude: random.pick(&[Magnitude::Small, Magnitude::Real]),
            ..self
        }
    }
}
