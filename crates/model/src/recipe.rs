//! Recipes: a format per tensor of a layer, reduced to the ones worth choosing.
//!
//! A layer has formats^tensors recipes. Bytes, loss and time on each device are sums over tensors,
//! so for any prices of these the best recipe is found tensor by tensor: sweeping the price of
//! loss against bytes and against each device's time yields the corners of the lower convex hull.
//! Uniform recipes are always kept; of the rest, dominated ones go, and near-doubles are thinned.

use std::collections::BTreeMap;

use edgeplan_problem::{Bytes, Loss, Nanos};

use edgeplan_formats::Format;
use crate::TensorClass;

/// One tensor's format choices, priced.
#[derive(Debug, Clone)]
pub struct TensorChoices {
    /// The tensor class's name, for labels; tensors of a class share their format.
    pub class: &'static str,
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

/// A recipe and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The format of each class, in the order of the choices.
    pub formats: Vec<Format>,
    /// What it costs.
    pub price: Price,
}

/// At most `limit` recipes of a layer: all uniform ones, then the best spread over the hull. With
/// `uniform_only`, nothing else.
///
/// # Complexity
/// O(devices * prices * tensors * formats), with 65 prices.
pub fn recipes(tensors: &[TensorChoices], limit: usize, uniform_only: bool) -> Vec<Recipe> {
    let mut kept = uniform(tensors);
    if !uniform_only {
        let mut found: BTreeMap<Vec<Format>, Recipe> = BTreeMap::new();
        for picks in sweep(tensors) {
            let recipe = priced(tensors, &picks);
            found.entry(recipe.formats.clone()).or_insert(recipe);
        }
        let mixed: Vec<Recipe> = found.into_values().filter(|recipe| !is_uniform(recipe)).collect();
        let room = limit.saturating_sub(kept.len());
        let undominated = pareto(&mixed, &kept);
        kept.extend(spread(undominated, room));
    }
    kept.sort_by(|a, b| {
        (b.price.bytes, a.price.loss, &a.formats).cmp(&(a.price.bytes, b.price.loss, &b.formats))
    });
    kept
}

/// `q4_K`, or `q4_K+ffn_down:q6_K,attn_v:q8_0`: the commonest format, then the exceptions.
pub fn label(tensors: &[TensorChoices], formats: &[Format]) -> String {
    let count = |format: &Format| formats.iter().filter(|other| *other == format).count();
    let Some(base) = formats.iter().max_by_key(|format| (count(format), **format)) else {
        return "native".into();
    };
    let exceptions: Vec<String> = tensors
        .iter()
        .zip(formats)
        .filter(|(_, format)| *format != base)
        .map(|(tensor, format)| format!("{}:{}", tensor.class, format.name()))
        .collect();
    match exceptions.is_empty() {
        true => base.name().into(),
        false => format!("{}+{}", base.name(), exceptions.join(",")),
    }
}

/// Reads what [`label`] writes: the commonest format, and the format of each class that has
/// another one.
///
/// # Errors
/// One line that says which part is no format or no class.
pub fn parse_label(text: &str) -> Result<(Format, BTreeMap<TensorClass, Format>), String> {
    let format = |word: &str| word.trim().parse::<Format>().map_err(|error| error.to_string());
    let (base, exceptions) = text.split_once('+').unwrap_or((text, ""));
    let base = format(base)?;
    let mut classes = BTreeMap::new();
    for exception in exceptions.split(',').filter(|exception| !exception.trim().is_empty()) {
        let Some((name, word)) = exception.split_once(':') else {
            return Err(format!("`{exception}`; a class and its format, as `ffn_down:q6_K`"));
        };
        let known = TensorClass::MATRICES.into_iter();
        let Some(class) = known.clone().find(|class| class.name() == name.trim()) else {
            let known: Vec<&str> = known.map(TensorClass::name).collect();
            return Err(format!("`{name}` is no class of tensors; known are {}", known.join(", ")));
        };
        if classes.insert(class, format(word)?).is_some() {
            return Err(format!("`{name}` has two formats"));
        }
    }
    Ok((base, classes))
}

fn is_uniform(recipe: &Recipe) -> bool {
    recipe.formats.windows(2).all(|pair| pair[0] == pair[1])
}

/// The recipes in which every class has the same format.
fn uniform(tensors: &[TensorChoices]) -> Vec<Recipe> {
    let Some(first) = tensors.first() else {
        let price = Price { bytes: Bytes::ZERO, loss: Loss::ZERO, time: Vec::new() };
        return vec![Recipe { formats: Vec::new(), price }];
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

fn priced(tensors: &[TensorChoices], picks: &[usize]) -> Recipe {
    let chosen: Vec<&Choice> =
        tensors.iter().zip(picks).map(|(tensor, &pick)| &tensor.choices[pick]).collect();
    let devices = chosen.first().map_or(0, |choice| choice.price.time.len());
    let time = (0..devices).map(|d| chosen.iter().map(|choice| choice.price.time[d]).sum());
    Recipe {
        formats: chosen.iter().map(|choice| choice.format).collect(),
        price: Price {
            bytes: chosen.iter().map(|choice| choice.price.bytes).sum(),
            loss: chosen.iter().map(|choice| choice.price.loss).sum(),
            time: time.collect(),
        },
    }
}

/// Those that no other one, and none of `kept`, is at least as good as in every measure.
fn pareto(recipes: &[Recipe], kept: &[Recipe]) -> Vec<Recipe> {
    let beaten = |index: usize| {
        let recipe = &recipes[index];
        let others = recipes.iter().enumerate().filter(|&(other, _)| other != index);
        let better = |other: &Recipe, earlier: bool| {
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
fn spread(mut recipes: Vec<Recipe>, room: usize) -> Vec<Recipe> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_as_it_is_written() {
        let price = Price { bytes: Bytes::ZERO, loss: Loss::ZERO, time: Vec::new() };
        let tensor = |class: TensorClass| TensorChoices {
            class: class.name(),
            choices: vec![Choice { format: Format::Q4K, price: price.clone() }],
        };
        let classes = [TensorClass::AttnQ, TensorClass::AttnV, TensorClass::FfnDown];
        let tensors = classes.map(tensor);
        let formats = [Format::Q4K, Format::Q8_0, Format::Q4K];
        let text = label(&tensors, &formats);
        assert_eq!(text, "q4_K+attn_v:q8_0");
        let (base, exceptions) = parse_label(&text).unwrap();
        assert_eq!((base, exceptions), (Format::Q4K, BTreeMap::from([(classes[1], Format::Q8_0)])));
        assert_eq!(parse_label("f16"), Ok((Format::F16, BTreeMap::new())));
    }

    #[test]
    fn what_is_no_label_is_refused() {
        let cases = [
            ("", "`` is no format"),
            ("native", "`native` is no format"),
            ("q4_K+ffn_down", "`ffn_down`; a class and its format"),
            ("q4_K+norm:f16", "`norm` is no class of tensors; known are attn_q, "),
            ("q4_K+ffn_up:f16,ffn_up:f16", "`ffn_up` has two formats"),
        ];
        for (text, expected) in cases {
            let error = parse_label(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
