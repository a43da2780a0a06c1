//! Mixes: one option per layer, chosen without looking at devices. Placement methods that do not
//! choose formats themselves (EdgeShard's programs, the greedy policies) try each of them.

use std::collections::BTreeSet;

use super::{Deployment, LayerOption, Model, OptionId};
use crate::recipe::Recipe;
use crate::{Bytes, Loss};

/// One option per layer of one model.
pub type Mix = Vec<OptionId>;

/// Candidate mixes of a model within its quality budget, smallest first, without repetition:
/// every uniform recipe, and the best mixes under a single memory budget, which are the corners
/// of the lower convex hull of (bytes, loss): for each price of a unit of loss, every layer takes
/// the option with the least bytes + price * loss. At most `limit` mixes, evenly spread over size.
///
/// # Complexity
/// O(prices * options), prices being the distinct slopes between options of a layer.
pub fn mixes(instance: &Deployment, model: usize, limit: usize) -> Vec<Mix> {
    let model = &instance.models[model];
    let mut found: BTreeSet<(Bytes, Mix)> = BTreeSet::new();
    for mix in uniform(model).into_iter().chain(hull(model)) {
        if model.loss_max.is_none_or(|budget| loss(model, &mix) <= budget) {
            found.insert((bytes(model, &mix), mix));
        }
    }
    let found: Vec<Mix> = found.into_iter().map(|(_, mix)| mix).collect();
    if found.len() <= limit || limit < 2 {
        return found.into_iter().take(limit).collect();
    }
    (0..limit).map(|index| found[index * (found.len() - 1) / (limit - 1)].clone()).collect()
}

fn bytes(model: &Model, mix: &[OptionId]) -> Bytes {
    mix.iter().enumerate().map(|(layer, &option)| model.bytes(layer, option)).sum()
}

fn loss(model: &Model, mix: &[OptionId]) -> Loss {
    let losses = model.layers.iter().zip(mix).map(|(layer, option)| &layer.options[option.index()]);
    losses.map(|option| option.loss).sum()
}

/// Mixes in which every layer uses the same recipe.
fn uniform(model: &Model) -> Vec<Mix> {
    let position = |recipe: &Recipe, layer: usize| {
        let mut options = model.layers[layer].options.iter();
        let found = options.position(|option| option.recipe == *recipe && runs_somewhere(option));
        found.map(|index| OptionId(index as u16))
    };
    let recipes = model.layers[0].options.iter().map(|option| &option.recipe);
    recipes
        .filter_map(|recipe| (0..model.layers.len()).map(|layer| position(recipe, layer)).collect())
        .collect()
}

/// The corners of the (bytes, loss) hull.
fn hull(model: &Model) -> Vec<Mix> {
    let layers: Vec<Vec<Point>> = (0..model.layers.len()).map(|l| points(model, l)).collect();
    let mut prices = vec![Price { bytes: 0, loss: 1 }, Price { bytes: 1, loss: 0 }];
    for points in &layers {
        for (index, point) in points.iter().enumerate() {
            for other in &points[index + 1..] {
                if point.loss != other.loss
                    && (point.bytes < other.bytes) == (point.loss > other.loss)
                {
                    prices.push(Price {
                        bytes: point.bytes.abs_diff(other.bytes),
                        loss: point.loss.abs_diff(other.loss),
                    });
                }
            }
        }
    }
    let as_float = |price: &Price| price.bytes as f64 / price.loss as f64;
    prices.sort_by(|a, b| as_float(a).total_cmp(&as_float(b)));
    prices.dedup_by(|a, b| as_float(a) == as_float(b));
    // Of thousands of slopes, neighbours give nearly equal costs: a sample is enough.
    let step = prices.len().div_ceil(PRICES_MAX);
    let mixes = prices.iter().step_by(step).map(|&price| cheapest(&layers, price));
    mixes.collect::<Option<Vec<Mix>>>().unwrap_or_default()
}

/// More prices than this are thinned out.
const PRICES_MAX: usize = 1024;

/// So many bytes for so much loss, as a fraction: it may be zero or infinite.
#[derive(Clone, Copy)]
struct Price {
    bytes: u64,
    loss: u64,
}

struct Point {
    option: OptionId,
    bytes: u64,
    loss: u64,
}

/// Per layer the option with the least bytes + price * loss; ties to less loss, then fewer bytes.
/// `None` if some layer runs nowhere.
fn cheapest(layers: &[Vec<Point>], price: Price) -> Option<Mix> {
    let key = |point: &&Point| {
        let priced = u128::from(point.bytes) * u128::from(price.loss)
            + u128::from(point.loss) * u128::from(price.bytes);
        (priced, point.loss, point.bytes)
    };
    layers.iter().map(|points| Some(points.iter().min_by_key(key)?.option)).collect()
}

fn points(model: &Model, layer: usize) -> Vec<Point> {
    let options = model.option_ids(layer).zip(&model.layers[layer].options);
    options
        .filter(|(_, option)| runs_somewhere(option))
        .map(|(id, option)| Point {
            option: id,
            bytes: model.bytes(layer, id).0,
            loss: option.loss.0,
        })
        .collect()
}

fn runs_somewhere(option: &LayerOption) -> bool {
    option.compute.iter().any(Option::is_some)
}
