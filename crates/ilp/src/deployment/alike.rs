//! Like devices are entered in their order, so that plans which differ only in the names of
//! devices are one.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::deployment::{Deployment, DeviceId, Placement, Plan};

use super::rows::Statement;

/// Like devices, and in what order the program's plans enter them.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Two or more like devices each.
    classes: Vec<Vec<DeviceId>>,
    /// `begun[class][member][layer]`: how often the first model has entered that device by then.
    begun: Vec<Vec<Vec<Variable>>>,
}

impl Order {
    /// Finds the classes and makes their variables.
    pub(super) fn new(instance: &Deployment, program: &mut Program) -> Self {
        let layers = instance.models[0].layers.len();
        let classes = classes(instance);
        let once = instance.placement == Placement::Contiguous && !instance.has_hosts();
        let most = once.then_some(1.0);
        let mut begun = Vec::with_capacity(classes.len());
        for class in &classes {
            let member =
                |_: &DeviceId| (0..layers).map(|_| program.continuous(0.0, most)).collect();
            begun.push(class.iter().map(member).collect());
        }
        Self { classes, begun }
    }

    /// The devices that have variables here, each with its variables by layer.
    pub(super) fn members(&self) -> impl Iterator<Item = (DeviceId, &[Variable])> {
        let devices = self.classes.iter().flatten().copied();
        devices.zip(self.begun.iter().flatten().map(Vec::as_slice))
    }

    /// The plan with the names of like devices exchanged so that the first model enters those of a
    /// class in their order.
    pub(super) fn sorted(&self, plan: &Plan) -> Plan {
        let mut sorted = plan.clone();
        for class in &self.classes {
            let entry = |device: &DeviceId| {
                let found = plan.models[0].iter().position(|layer| layer.device == *device);
                found.unwrap_or(usize::MAX)
            };
            let mut entered = class.clone();
            entered.sort_by_key(entry);
            for layer in sorted.models.iter_mut().flatten() {
                let old = entered.iter().position(|&device| device == layer.device);
                layer.device = old.map_or(layer.device, |place| class[place]);
            }
        }
        sorted
    }

    /// The values of the variables made here, for a sorted plan.
    pub(super) fn encode(&self, plan: &Plan, values: &mut [f64]) {
        let layers = &plan.models[0];
        for (device, begun) in self.members() {
            let mut entries = 0.0;
            for (layer, variable) in begun.iter().enumerate() {
                let stays = layer > 0 && layers[layer - 1].device == device;
                if layers[layer].device == device && !stays {
                    entries += 1.0;
                }
                values[variable.index()] = entries;
            }
        }
    }
}

impl Statement<'_> {
    /// (14) `z[l,d]` counts the entries of `d` in the first model up to layer `l`; of two like
    /// devices `d`, `e` that follow each other in their class, `e` is entered after `d`:
    /// contiguous `z[l,e] <= z[l-1,d]`, free `sum_o x[l,e,o] <= z[l-1,d]`.
    pub(super) fn order(&mut self) {
        let order = &self.layout.order;
        for (class, begun) in order.classes.iter().zip(&order.begun) {
            for (&device, begun) in class.iter().zip(begun) {
                self.count(device, begun);
                self.label("count", &[&self.instance.device(device).name]);
            }
            for (pair, begun) in class.windows(2).zip(begun.windows(2)) {
                self.follows(pair[1], &begun[1], &begun[0]);
                let name = |id: DeviceId| &self.instance.device(id).name;
                self.label("follows", &[name(pair[1]), name(pair[0])]);
            }
        }
    }

    fn count(&mut self, device: DeviceId, begun: &[Variable]) {
        let chain = &self.layout.models[0];
        let first = chain.choices[0].iter().filter(|choice| choice.device == device);
        let terms: Vec<(Variable, f64)> = first.map(|choice| (choice.variable, 1.0)).collect();
        self.program.equal(terms.into_iter().chain([(begun[0], -1.0)]), 0.0);
        for (moves, pair) in chain.moves.iter().zip(begun.windows(2)) {
            let entering = moves.iter().filter(|step| step.to == device && step.from != device);
            let terms: Vec<(Variable, f64)> = entering.map(|step| (step.variable, 1.0)).collect();
            let counts = [(pair[0], 1.0), (pair[1], -1.0)];
            self.program.equal(terms.into_iter().chain(counts), 0.0);
        }
    }

    /// That device, whose entries are `begun`, is entered after the one whose are `before`.
    fn follows(&mut self, device: DeviceId, begun: &[Variable], before: &[Variable]) {
        let chain = &self.layout.models[0];
        for choice in chain.choices[0].iter().filter(|choice| choice.device == device) {
            self.program.columns[choice.variable.index()].upper = Some(0.0);
        }
        let instance = self.instance;
        let once = instance.placement == Placement::Contiguous && !instance.has_hosts();
        for layer in 1..begun.len() {
            if once {
                let terms = [(begun[layer], 1.0), (before[layer - 1], -1.0)];
                self.program.at_most(terms, 0.0);
            } else {
                let here = chain.choices[layer].iter().filter(|c| c.device == device);
                self.implies(here, before[layer - 1]);
            }
        }
    }
}

/// The classes of two or more devices whose names can be exchanged.
fn classes(instance: &Deployment) -> Vec<Vec<DeviceId>> {
    let mut classes: Vec<Vec<DeviceId>> = Vec::new();
    for device in instance.device_ids() {
        match classes.iter_mut().find(|class| instance.are_alike(class[0], device)) {
            Some(class) => class.push(device),
            None => classes.push(vec![device]),
        }
    }
    classes.retain(|class| class.len() > 1);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_problem::deployment::{Assignment, Device, Layer, Message, Model, Objective};
    use edgeplan_problem::{Bytes, Nanos};

    /// Four devices, one layer; hops all alike.
    fn four() -> Deployment {
        let device = |name: &str| Device {
            host: None,
            name: name.into(),
            memory: Bytes(10),
            overhead: Bytes(1),
            compute_max: None,
            traffic_max: None,
        };
        let time = |pair: usize| Some(Nanos(if pair.is_multiple_of(5) { 0 } else { 7 }));
        let option = edgeplan_problem::deployment::LayerOption {
            recipe: "r".into(),
            bytes: Bytes(1),
            shared: None,
            loss: edgeplan_problem::Loss(0),
            compute: vec![Some(Nanos(3)); 4],
        };
        let layer = Layer {
            joined: false,
            role: "l".into(),
            options: vec![option],
            kv: Bytes(0),
            pin: None,
            output: 0,
        };
        Deployment {
            hosts: Vec::new(),
            name: "four".into(),
            objective: Objective::Latency,
            placement: Placement::Contiguous,
            source: DeviceId(0),
            devices: ["a", "b", "c", "d"].map(device).to_vec(),
            models: vec![Model {
                name: "m".into(),
                weight: 1,
                layers: vec![layer.clone(), layer.clone(), layer],
                loss_max: None,
                activation: Bytes(0),
                shared: vec![],
                messages: vec![Message { bytes: Bytes(1), time: (0..16).map(time).collect() }],
                enter: 0,
                leave: 0,
            }],
            latency_max: None,
            bottleneck_max: None,
        }
    }

    #[test]
    fn all_but_the_source_are_alike_until_something_tells_them_apart() {
        let ids = |indices: &[u16]| indices.iter().map(|&i| DeviceId(i)).collect::<Vec<_>>();
        let base = four().checked().unwrap();
        assert_eq!(classes(&base), [ids(&[1, 2, 3])]);
        let apart: [fn(&mut Deployment); 6] = [
            |i| i.devices[2].memory = Bytes(9),
            |i| i.devices[2].traffic_max = Some(Bytes(1)),
            |i| i.models[0].layers[1].pin = Some(DeviceId(2)),
            |i| i.models[0].layers[0].options[0].compute[2] = None,
            |i| i.models[0].messages[0].time[2] = Some(Nanos(8)),
            |i| i.source = DeviceId(2),
        ];
        for (change, change_of) in apart.iter().enumerate() {
            let mut changed = base.clone();
            change_of(&mut changed);
            let expected = if change == 5 { ids(&[0, 1, 3]) } else { ids(&[1, 3]) };
            assert_eq!(classes(&changed), [expected], "change {change}");
        }
        // A link between two of them tells both from the third.
        let mut linked = base;
        linked.models[0].messages[0].time[4 + 2] = None;
        linked.models[0].messages[0].time[2 * 4 + 1] = None;
        assert_eq!(classes(&linked), [ids(&[1, 2])]);
    }

    #[test]
    fn like_devices_are_entered_in_their_order() {
        let order = Order::new(&four(), &mut Program::default());
        let plan = |devices: [u16; 3]| {
            Plan::single(
                devices.map(|d| Assignment { device: DeviceId(d), ..Default::default() }).to_vec(),
            )
        };
        assert_eq!(order.sorted(&plan([3, 0, 1])), plan([1, 0, 2]));
        assert_eq!(order.sorted(&plan([2, 2, 3])), plan([1, 1, 2]));
        assert_eq!(order.sorted(&plan([0, 0, 0])), plan([0, 0, 0]));
    }
}
