//! The chain of one model over hosts: which devices a host has, and which layers are alike.

use edgeplan_problem::deployment::{Deployment, DeviceId};

use crate::chain::{Chain, Choice, Measure};

/// A choice as prices are multiplied with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amounts {
    pub(super) cost: f64,
    pub(super) loss: f64,
    pub(super) bytes: f64,
    pub(super) time: f64,
    pub(super) option: usize,
}

/// A chain, its hosts and its classes of layers.
#[derive(Debug)]
pub(super) struct Network<'a> {
    pub(super) chain: &'a Chain,
    /// By host: its devices.
    pub(super) members: Vec<Vec<usize>>,
    /// By device: its host.
    pub(super) host: Vec<usize>,
    /// By device: its place among its host's devices.
    pub(super) local: Vec<usize>,
    /// By layer: its class. Layers of a class take the same bytes and times in the same options;
    /// their losses may differ.
    pub(super) class: Vec<usize>,
    pub(super) classes: usize,
    /// By class: whether its layers are the same in everything.
    pub(super) is_uniform: Vec<bool>,
    /// By layer: whether it is a part of the block of the layer before.
    pub(super) joined: Vec<bool>,
    /// By layer: the first layer that is the same in everything.
    pub(super) twin: Vec<usize>,
    /// `[layer * devices + device]`: the number of its first choice, counted over all places.
    pub(super) first_choice: Vec<usize>,
    /// All choices, as they are numbered.
    pub(super) amounts: Vec<Amounts>,
    /// By layer: which of the tables below holds the costs of its messages.
    pub(super) messages_of: Vec<usize>,
    /// `[from * devices + to]`: infinite where there is no way, nothing to the same device.
    pub(super) messages: Vec<Vec<f64>>,
    /// `[class * devices + device]`: how much costs of such a layer differ between that device and
    /// the best one, or between options there.
    pub(super) stakes: Vec<[f64; 2]>,
}

impl<'a> Network<'a> {
    pub(super) fn new(chain: &'a Chain, instance: &Deployment) -> Self {
        let host = instance.host_by_device();
        let hosts = host.iter().max().map_or(0, |last| last + 1);
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); hosts];
        let mut local = Vec::with_capacity(host.len());
        for (device, &host) in host.iter().enumerate() {
            local.push(members[host].len());
            members[host].push(device);
        }
        let like = |one: usize, two: usize| are_like(instance, one, two);
        let (mut class, mut firsts) = (Vec::new(), Vec::<usize>::new());
        let mut twin = Vec::with_capacity(chain.layers);
        for layer in 0..chain.layers {
            let known = firsts.iter().position(|&first| like(first, layer));
            class.push(known.unwrap_or(firsts.len()));
            if known.is_none() {
                firsts.push(layer);
            }
            let losses = |other: usize| {
                let options = &instance.models[0].layers[other].options;
                options.iter().map(|option| option.loss).collect::<Vec<_>>()
            };
            // The chain leaves out what other options beat: the same for the same losses.
            let same = |&other: &usize| {
                class[other] == class[layer]
                    && losses(other) == losses(layer)
                    && is_same(chain, other, layer)
            };
            twin.push((0..layer).find(same).unwrap_or(layer));
        }
        let mut first_choice = Vec::with_capacity(chain.choices.len() + 1);
        let mut count = 0;
        for choices in &chain.choices {
            first_choice.push(count);
            count += choices.len();
        }
        first_choice.push(count);
        let of = |choice: &Choice| Amounts {
            cost: choice.cost,
            loss: choice.loss as f64,
            bytes: choice.bytes as f64,
            time: choice.time as f64,
            option: choice.option.index(),
        };
        let amounts = chain.choices.iter().flatten().map(of).collect();
        let (messages_of, messages) = messages(chain);
        let joined = instance.models[0].layers.iter().map(|layer| layer.joined).collect();
        let classes = firsts.len();
        let is_twin = |layer: usize, first: usize| layer == first || twin[layer] == first;
        let is_uniform = firsts.iter().enumerate().map(|(at, &first)| {
            (0..chain.layers).filter(|&layer| class[layer] == at).all(|layer| is_twin(layer, first))
        });
        let is_uniform = is_uniform.collect();
        let stakes = firsts.iter().flat_map(|&first| stakes(chain, first)).collect();
        Self {
            chain,
            members,
            host,
            local,
            classes,
            class,
            is_uniform,
            joined,
            twin,
            first_choice,
            amounts,
            messages_of,
            messages,
            stakes,
        }
    }

    /// Layers of a class.
    pub(super) fn size(&self, class: usize) -> usize {
        self.class.iter().filter(|&&other| other == class).count()
    }

    pub(super) fn hosts(&self) -> usize {
        self.members.len()
    }
}

/// Costs of messages between all devices, each table once; and which one a layer has.
fn messages(chain: &Chain) -> (Vec<usize>, Vec<Vec<f64>>) {
    let (mut of_layer, mut tables) = (Vec::with_capacity(chain.layers), Vec::<Vec<f64>>::new());
    for layer in 0..chain.layers {
        let mut table = vec![f64::INFINITY; chain.devices * chain.devices];
        for from in 0..chain.devices {
            for hop in &chain.hops[chain.at(layer, from)] {
                table[from * chain.devices + hop.to] = hop.cost;
            }
            table[from * chain.devices + from] = 0.0;
        }
        let known = tables.iter().rposition(|known| *known == table);
        of_layer.push(known.unwrap_or(tables.len()));
        if known.is_none() {
            tables.push(table);
        }
    }
    (of_layer, tables)
}

fn stakes(chain: &Chain, layer: usize) -> Vec<[f64; 2]> {
    let costs = |device: usize| chain.choices[chain.at(layer, device)].iter().map(|c| c.cost);
    let least = |device: usize| costs(device).fold(f64::INFINITY, f64::min);
    let most = |device: usize| costs(device).fold(0.0, f64::max);
    let can = |&device: &usize| least(device).is_finite();
    let dearest = (0..chain.devices).filter(can).map(least).fold(0.0, f64::max);
    let cheapest = (0..chain.devices).map(least).fold(f64::INFINITY, f64::min);
    let stake = |device: usize| match can(&device) {
        true => {
            let far = (least(device) - cheapest).max(dearest - least(device));
            let number = costs(device).count() as f64;
            [far, (most(device) - least(device)) / number]
        }
        false => [0.0, 0.0],
    };
    (0..chain.devices).map(stake).collect()
}

/// Whether two layers take the same bytes and times in the same options.
fn are_like(instance: &Deployment, one: usize, two: usize) -> bool {
    let layers = &instance.models[0].layers;
    let (a, b) = (&layers[one], &layers[two]);
    let mut pairs = a.options.iter().zip(&b.options);
    (a.kv, a.pin, a.output, a.joined) == (b.kv, b.pin, b.output, b.joined)
        && a.options.len() == b.options.len()
        && pairs.all(|(a, b)| (a.bytes, a.shared, &a.compute) == (b.bytes, b.shared, &b.compute))
}

fn is_same(chain: &Chain, one: usize, two: usize) -> bool {
    (0..chain.devices).all(|device| {
        let (a, b) = (&chain.choices[chain.at(one, device)], &chain.choices[chain.at(two, device)]);
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.option == b.option)
    })
}

/// The chains that hold all plans of an instance together, each without a tensor that is stored
/// once for several layers; nothing where such a tensor is needed by inner layers.
///
/// If the ends share a tensor, they share its bytes where they lie on one device in one format: a
/// case for each; in one more case every end counts it.
pub(super) fn cases(instance: &Deployment) -> Option<Vec<Chain>> {
    let chain = Chain::new(instance, Measure::Latency, None).coarser(PRICE_BITS);
    if chain.choices.iter().flatten().all(|choice| choice.shared.is_none()) {
        return Some(vec![chain]);
    }
    if !chain.ends_share() {
        return None;
    }
    let last = chain.layers - 1;
    let mut cases = vec![chain.with_shared_counted()];
    for device in 0..chain.devices {
        for shared in 0..chain.shared.len() {
            let mut case = chain.clone();
            for end in [0, last] {
                for other in 0..chain.devices {
                    let place = case.at(end, other);
                    case.choices[place]
                        .retain(|choice| other == device && choice.shared == Some(shared as u8));
                }
            }
            let ends = [case.at(0, device), case.at(last, device)];
            if ends.iter().any(|&place| case.choices[place].is_empty()) {
                continue;
            }
            for (end, place) in ends.into_iter().enumerate() {
                for choice in &mut case.choices[place] {
                    choice.shared = None;
                    // Counted with the first layer, whichever device that is on.
                    choice.bytes += if end == 0 { chain.shared[shared].bytes } else { 0 };
                }
            }
            case.drop_dangling_hops();
            cases.push(case);
        }
    }
    Some(cases)
}

/// Prices may be so many powers of two larger than the dearest plan: a host that could be entered
/// again before every block is not, at such a price.
pub(super) const PRICE_BITS: i32 = 8;

/// The name of a device as plans have it.
pub(super) fn id(device: usize) -> DeviceId {
    DeviceId(device as u16)
}
