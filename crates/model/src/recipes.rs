//! Recipes: a format per tensor of a layer, reduced to the ones worth choosing.
//!
//! A layer has formats^tensors recipes. Bytes, loss and time on each device are sums over tensors,
//! so for any prices of these the best recipe is found tensor by tensor: sweeping the price of
//! loss against bytes and against each device's time yields the corners of the lower convex hull.
//! Uniform recipes are always kept; of the rest, dominated ones go, and near-doubles are thinned.

use std::collections::BTreeMap;

use edgeplan_problem::{Bytes, Loss, Nanos};

use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::{FormatMix, Recipe, TensorClass};

/// One tensor's format choices, priced.
#[derive(Debug, Clone)]
pub struct TensorChoices {
    /// What the tensor does; tensors of a class share their format.
    pub class: TensorClass,
    /// The choices.
    pub choices: Vec<Choice>,
}

/// One format for one tensor.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The format.
    pub format: Format,
    /// What it costs.
    pub price: Price,
}

/// What a choice costs: additive over tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Bytes of weights.
    pub bytes: Bytes,
    /// Quality lost.
    pub loss: Loss,
    /// Time by device; `None` where the device cannot run the format.
    pub time: Vec<Option<Nanos>>,
}

/// A format for each tensor, and what they cost together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The format of each tensor, in the order of the choices.
    pub formats: Vec<Format>,
    /// What it costs.
    pub price: Price,
}

impl Priced {
    /// The recipe of these tensors; [`Recipe::Native`] without any.
    pub fn recipe(&self, tensors: &[TensorChoices]) -> Recipe {
        let classes = tensors.iter().map(|tensor| tensor.class);
        let mix = FormatMix::of(classes.zip(self.formats.iter().copied()));
        mix.map_or(Recipe::Native, Recipe::Mix)
    }
}

/// At most `limit` recipes of a layer: all uniform ones, then the best spread over the hull. With
/// `uniform_only`, nothing else.
///
/// # Complexity
/// O(devices * prices * tensors * formats), with 65 prices.
pub fn recipes(tensors: &[TensorChoices], limit: usize, uniform_only: bool) -> Vec<Priced> {
    let mut kept = uniform(tensors);
    if !uniform_only {
        let mut found: BTreeMap<Vec<Format>, Priced> = BTreeMap::new();
        for picks in sweep(tensors) {
            let recipe = priced(tensors, &picks);
            found.entry(recipe.formats.clone()).or_insert(recipe);
        }
        let mixed: Vec<Priced> = found.into_values().filter(|recipe| !is_uniform(recipe)).collect();
        let room = limit.saturating_sub(kept.len());
        let undominated = pareto(&mixed, &kept);
        kept.extend(spread(undominated, room));
    }
    kept.sort_by(|a, b| {
        (b.price.bytes, a.price.loss, &a.formats).cmp(&(a.price.bytes, b.price.loss, &b.formats))
    });
    kept
}

fn is_uniform(recipe: &Priced) -> bool {
    recipe.formats.windows(2).all(|pair| pair[0] == pair[1])
}

/// The recipes in which every class has the same format.
fn uniform(tensors: &[TensorChoices]) -> Vec<Priced> {
    let Some(first) = tensors.first() else {
        let price = Price { bytes: Bytes::ZERO, loss: Loss::ZERO, time: Vec::new() };
        return vec![Priced { formats: Vec::new(), price }];
    };
    let position = |format: Format, tensor: &TensorChoices| {
        tensor.choices.iter().position(|choice| choice.format == format)
    };
    let picks = first.choices.iter().filter_map(|choice| {
        tensors.iter().map(|tensor| position(choice.format, tensor)).collect::<Option<Vec<usize>>>()
    });
    picks.map(|picks| priced(tensors, &picks)).collect()
}

/// The cheapest recipe at each price of loss, against bytes and against each device's time.
fn sweep(tensors: &[TensorChoices]) -> Vec<Vec<usize>> {
    let devices = tensors.first().map_or(0, |tensor| tensor.choices[0].price.time.len());
    let mut found = Vec::new();
    for measure in 0..=devices {
        let spent = |choice: &Choice| match measure {
            0 => Some(choice.price.bytes.as_f64()),
            device => choice.price.time[device - 1].map(Nanos::as_f64),
        };
        // A price near the measure's own mean cost per unit of loss, 2^-16 .. 2^16 around it.
        let scale = mean_slope(tensors, &spent);
        for exponent in -32..=32 {
            let price = scale * 2f64.powf(f64::from(exponent) / 2.0);
            let pick = |tensor: &TensorChoices| {
                let cost =
                    |choice: &Choice| Some(spent(choice)? + price * choice.price.loss.as_f64());
                let costs = tensor.choices.iter().map(cost).enumerate();
                let usable = costs.filter_map(|(index, cost)| Some((cost?, index)));
                usable.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, index)| index)
            };
            found.extend(tensors.iter().map(pick).collect::<Option<Vec<usize>>>());
        }
    }
    found
}

/// Spread of the measure over spread of the loss.
fn mean_slope(tensors: &[TensorChoices], spent: &dyn Fn(&Choice) -> Option<f64>) -> f64 {
    let (mut measure, mut loss) = (0.0, 0.0);
    for tensor in tensors {
        let values = || tensor.choices.iter().filter_map(spent);
        let losses = || tensor.choices.iter().map(|choice| choice.price.loss.as_f64());
        measure += values().fold(0.0, f64::max) - values().fold(f64::INFINITY, f64::min).min(0.0);
        loss += losses().fold(0.0, f64::max);
    }
    if loss > 0.0 { measure / loss } else { 1.0 }
}

fn priced(tensors: &[TensorChoices], picks: &[usize]) -> Priced {
    let chosen: Vec<&Choice> =
        tensors.iter().zip(picks).map(|(tensor, &pick)| &tensor.choices[pick]).collect();
    let devices = chosen.first().map_or(0, |choice| choice.price.time.len());
    let time = (0..devices).map(|d| chosen.iter().map(|choice| choice.price.time[d]).sum());
    Priced {
        formats: chosen.iter().map(|choice| choice.format).collect(),
        price: Price {
            bytes: chosen.iter().map(|choice| choice.price.bytes).sum(),
            loss: chosen.iter().map(|choice| choice.price.loss).sum(),
            time: time.collect(),
        },
    }
}

/// Those that no other one, and none of `kept`, is at least as good as in every measure.
fn pareto(recipes: &[Priced], kept: &[Priced]) -> Vec<Priced> {
    let beaten = |index: usize| {
        let recipe = &recipes[index];
        let others = recipes.iter().enumerate().filter(|&(other, _)| other != index);
        let better = |other: &Priced, earlier: bool| {
            dominates(&other.price, &recipe.price) && (other.price != recipe.price || earlier)
        };
        others.into_iter().any(|(other, rival)| better(rival, other < index))
            || kept.iter().any(|rival| better(rival, true))
    };
    (0..recipes.len()).filter(|&index| !beaten(index)).map(|index| recipes[index].clone()).collect()
}

fn dominates(a: &Price, b: &Price) -> bool {
    let no_slower = |(a, b): (&Option<Nanos>, &Option<Nanos>)| match (a, b) {
        (Some(a), Some(b)) => a <= b,
        (_, None) => true,
        (None, Some(_)) => false,
    };
    a.bytes <= b.bytes && a.loss <= b.loss && a.time.iter().zip(&b.time).all(no_slower)
}

/// At most `room` of them, evenly spread over size.
fn spread(mut recipes: Vec<Priced>, room: usize) -> Vec<Priced> {
    recipes.sort_by_key(|recipe| (recipe.price.bytes, recipe.price.loss));
    if recipes.len() <= room {
        return recipes;
    }
    let last = recipes.len() - 1;
    match room {
        0 => Vec::new(),
        1 => vec![recipes.swap_remove(last / 2)],
        _ => (0..room).map(|index| recipes[index * last / (room - 1)].clone()).collect(),
    }
}
