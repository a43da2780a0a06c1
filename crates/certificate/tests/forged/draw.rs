//! Small instances of numbers that break arithmetic: nothing, one, powers of two up to the last
//! bit, and exactly what a plan needs.

use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective,
    OptionId, Placement, Plan,
};
use edgeplan_problem::{Bytes, Loss, Nanos, Problem as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// Draws what breaks arithmetic.
pub(super) struct Draw(Pcg64Mcg);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    pub(super) fn up_to(&mut self, max: u64) -> u64 {
        self.0.random_range(0..=max)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }

    /// A number of a certificate: anything.
    pub(super) fn wild(&mut self) -> u64 {
        match self.up_to(9) {
            0 => 0,
            1 => 1,
            2 | 3 => self.up_to(20),
            4 => 1 << self.up_to(63),
            5 => (1 << self.up_to(63)) - 1,
            6 => u64::MAX - self.up_to(2),
            7 => (1 << 63) - 1 + self.up_to(2),
            _ => self.up_to(u64::MAX) >> self.up_to(63),
        }
    }

    /// A number of an instance whose numbers are below `1 << bits`, often nothing.
    fn small(&mut self, bits: u64) -> u64 {
        match self.up_to(3) {
            0 => 0,
            1 => (1 << bits) - 1,
            _ => self.up_to((1 << bits) - 1),
        }
    }

    /// One model of up to four layers on up to three devices.
    pub(super) fn instance(&mut self) -> Deployment {
        // The largest magnitudes are the largest that an instance may have.
        let bits = [3, 3, 4, 20, 54][self.up_to(4) as usize];
        let devices = 1 + self.up_to(2) as usize;
        let layers = 1 + self.up_to(3) as usize;
        let options = if layers > 3 { 1 } else { 2 };
        let models = vec![self.model((devices, layers, options), bits)];
        let objective = [Objective::Latency, Objective::Memory][self.up_to(1) as usize];
        self.question(models, (devices, bits), (objective, Placement::Contiguous))
    }

    /// One or two models of up to three layers on up to three devices, whatever is minimised.
    pub(super) fn shared_instance(&mut self) -> Deployment {
        let bits = [3, 3, 4, 20, 54][self.up_to(4) as usize];
        let devices = 1 + self.up_to(2) as usize;
        let sizes = [vec![3], vec![2], vec![1, 2], vec![2, 1], vec![1, 1]];
        let sizes = &sizes[self.up_to(4) as usize];
        let models = sizes.iter().map(|&layers| self.model((devices, layers, 2), bits)).collect();
        let objectives = [Objective::Latency, Objective::Memory, Objective::Bottleneck];
        let objective = objectives[self.up_to(2) as usize];
        let placement = [Placement::Contiguous, Placement::Free][self.up_to(1) as usize];
        self.question(models, (devices, bits), (objective, placement))
    }

    fn question(
        &mut self,
        mut models: Vec<Model>,
        (devices, bits): (usize, u64),
        (objective, placement): (Objective, Placement),
    ) -> Deployment {
        for (index, model) in models.iter_mut().enumerate() {
            model.name = format!("m{index}");
        }
        let mut instance = Deployment {
            hosts: Vec::new(),
            name: "forged".into(),
            objective,
            placement,
            source: DeviceId(self.up_to(devices as u64 - 1) as u16),
            devices: (0..devices).map(|index| self.device(index, bits)).collect(),
            models,
            latency_max: self.chance(15).then(|| Nanos(self.small(bits + 2))),
            bottleneck_max: self.chance(10).then(|| Nanos(self.small(bits + 1))),
        };
        if self.chance(50) {
            self.meet_exactly(&mut instance);
        }
        instance.checked().expect("the largest numbers are below 2^62")
    }

    fn device(&mut self, index: usize, bits: u64) -> Device {
        Device {
            host: None,
            name: format!("d{index}"),
            memory: Bytes(self.small(bits + 2)),
            overhead: Bytes(if self.chance(30) { self.small(bits - 1) } else { 0 }),
            compute_max: self.chance(10).then(|| Nanos(self.small(bits + 1))),
            traffic_max: self.chance(10).then(|| Bytes(self.small(bits + 1))),
        }
    }

    fn model(&mut self, (devices, layers, options): (usize, usize, u64), bits: u64) -> Model {
        let messages = (0..2).map(|_| self.message(devices, bits)).collect();
        let mut chain = Vec::new();
        for index in 0..layers {
            let options = (0..=self.up_to(options - 1)).map(|o| self.option(o, devices, bits));
            chain.push(Layer {
                joined: false,
                role: format!("l{index}").into(),
                options: options.collect(),
                kv: Bytes(if self.chance(30) { self.small(bits - 1) } else { 0 }),
                pin: None,
                output: self.up_to(1) as usize,
            });
        }
        if self.chance(20) {
            chain[0].pin = Some(DeviceId(self.up_to(devices as u64 - 1) as u16));
        }
        let loss_max = match self.up_to(4) {
            0 => None,
            1 => Some([0, 1 << 62, 1 << 63, u64::MAX][self.up_to(3) as usize]),
            _ => Some(self.small(bits + 1)),
        };
        Model {
            name: "m".into(),
            weight: 1 + u32::from(self.chance(20)),
            layers: chain,
            loss_max: loss_max.map(Loss),
            activation: Bytes(if self.chance(20) { self.small(bits - 1) } else { 0 }),
            shared: vec![Bytes(self.small(bits))],
            messages,
            enter: self.up_to(1) as usize,
            leave: self.up_to(1) as usize,
        }
    }

    fn message(&mut self, devices: usize, bits: u64) -> Message {
        let mut time = Vec::new();
        for pair in 0..devices * devices {
            time.push(match pair % (devices + 1) {
                0 => Some(Nanos::ZERO),
                _ => (!self.chance(15)).then(|| Nanos(self.small(bits))),
            });
        }
        Message { bytes: Bytes(self.small(bits)), time }
    }

    fn option(&mut self, index: u64, devices: usize, bits: u64) -> LayerOption {
        let time = |draw: &mut Self| (!draw.chance(10)).then(|| Nanos(draw.small(bits)));
        LayerOption {
            recipe: format!("r{index}").into(),
            bytes: Bytes(self.small(bits)),
            shared: self.chance(20).then_some(0),
            loss: Loss(self.small(bits)),
            compute: (0..devices).map(|_| time(self)).collect(),
        }
    }

    /// Budgets of exactly what a random plan takes.
    fn meet_exactly(&mut self, instance: &mut Deployment) {
        let last = instance.devices.len() as u64 - 1;
        let mut plan = Plan { models: Vec::new() };
        for model in &instance.models {
            let (first, second) = (self.up_to(last), self.up_to(last));
            let cut = self.up_to(model.layers.len() as u64) as usize;
            let assignment = |(at, layer): (usize, &Layer)| Assignment {
                device: DeviceId(if at < cut { first } else { second } as u16),
                option: OptionId(layer.options.len() as u16 - 1),
            };
            plan.models.push(model.layers.iter().enumerate().map(assignment).collect());
        }
        let account = instance.evaluate(&plan).account;
        for (model, bill) in instance.models.iter_mut().zip(&account.models) {
            model.loss_max = Some(bill.loss);
        }
        for (device, bill) in instance.devices.iter_mut().zip(&account.devices) {
            device.memory = bill.memory();
        }
    }
}
