//! Classes of interchangeable devices, and the count vectors that replace sets of devices.

use edgeplan_problem::deployment::{Deployment, DeviceId, Model};

/// Classes of devices: exchanging two members of one class changes neither the cost nor the
/// feasibility of any plan. Devices that can hold no layer are left out.
#[derive(Debug)]
pub(crate) struct Classes {
    /// Members by class, none of them empty.
    pub(crate) members: Vec<Vec<DeviceId>>,
    /// Ways to use no, one, ... all members, by class.
    choices: Vec<usize>,
    strides: Vec<usize>,
}

impl Classes {
    /// Sorts the devices of a one-model instance into classes.
    pub(crate) fn of(problem: &Deployment) -> Self {
        let model = &problem.models[0];
        let mut members: Vec<Vec<DeviceId>> = Vec::new();
        for device in problem.device_ids().filter(|&device| is_useful(problem, model, device)) {
            let same = |class: &&mut Vec<DeviceId>| problem.are_alike(class[0], device);
            match members.iter_mut().find(same) {
                Some(class) => class.push(device),
                None => members.push(vec![device]),
            }
        }
        // A chain cannot use more devices than it has layers.
        let choices: Vec<usize> =
            members.iter().map(|class| 1 + class.len().min(model.layers.len())).collect();
        let mut strides = Vec::with_capacity(choices.len());
        choices.iter().fold(1usize, |stride, &choices| {
            strides.push(stride);
            stride.saturating_mul(choices)
        });
        Self { members, choices, strides }
    }

    /// Number of classes.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Number of count vectors; saturates.
    pub(crate) fn vectors(&self) -> usize {
        self.choices.iter().fold(1, |product: usize, &choices| product.saturating_mul(choices))
    }

    /// Number of used members of a class in a count vector.
    pub(crate) fn used(&self, vector: usize, class: usize) -> usize {
        vector / self.strides[class] % self.choices[class]
    }

    /// Number of used devices in a count vector.
    pub(crate) fn used_in_all(&self, vector: usize) -> usize {
        (0..self.len()).map(|class| self.used(vector, class)).sum()
    }

    /// The count vector with one member of that class less; it has at least one.
    pub(crate) fn without(&self, vector: usize, class: usize) -> usize {
        vector - self.strides[class]
    }
}

/// Whether the device can hold some layer.
fn is_useful(problem: &Deployment, model: &Model, device: DeviceId) -> bool {
    let Some(room) = problem.room(device, model) else { return false };
    let holds = |layer: usize| {
        let mut options = model.option_ids(layer);
        options.any(|option| {
            model.compute(layer, device, option).is_some() && model.bytes(layer, option) <= room
        })
    };
    (0..model.layers.len()).any(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_count_members() {
        let classes = Classes {
            members: vec![Vec::new(); 3],
            choices: vec![13, 3, 2],
            strides: vec![1, 13, 39],
        };
        assert_eq!(classes.vectors(), 78);
        let vector = 4 + 13 * 2 + 39;
        assert_eq!((0..3).map(|class| classes.used(vector, class)).collect::<Vec<_>>(), [4, 2, 1]);
        assert_eq!(classes.used_in_all(vector), 7);
        assert_eq!(classes.used(classes.without(vector, 1), 1), 1);
    }
}
