//! Recipes of a model: an option for each layer, worth most under prices, within the budget of
//! losses: a multiple-choice knapsack. Integers, since what it proves is part of a bound.

use crate::domain::Domain;
use crate::prices::Prices;
use crate::question::Question;

/// An option of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Item {
    option: u16,
    loss: u64,
    worth: i64,
}

/// What is worth most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// No recipe within the budget is worth more.
    pub(crate) worth: i64,
    /// By layer.
    pub(crate) options: Vec<u16>,
}

/// A recipe in the making.
#[derive(Debug, Clone, Copy)]
struct Label {
    loss: u64,
    worth: i64,
    /// Its last item in the trace.
    trace: u32,
}

const NOTHING: u32 = u32::MAX;
/// Labels of a layer; with more, the relaxation is the bound.
const LABELS_MAX: usize = 5_000;
/// Bits of fraction of the price of loss.
const FRACTION: u32 = 24;

/// The recipe of a model that is worth most under prices of options, of those that a domain
/// allows. None if none keeps the budget.
pub(crate) fn best_recipe(
    question: &Question<'_>,
    domain: &Domain,
    prices: &Prices,
    model: usize,
) -> Option<Recipe> {
    let layers: Vec<Vec<Item>> =
        question.slots_of(model).map(|slot| items(question, domain, prices, slot)).collect();
    let budget = question.deployment.models[model].loss_max.map_or(u64::MAX >> 1, |max| max.0);
    best(&layers, budget)
}

/// The options of a slot, by loss; each is worth more than those of less loss.
fn items(question: &Question<'_>, domain: &Domain, prices: &Prices, slot: usize) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for device in 0..question.devices {
        let place = question.place(slot, device);
        for index in domain.choices(place) {
            let choice = &question.choices[place][index];
            let option = choice.option.0;
            if !items.iter().any(|item| item.option == option) {
                let worth = prices.option(question, slot, choice);
                items.push(Item { option, loss: choice.loss, worth });
            }
        }
    }
    items.sort_by_key(|item| (item.loss, -item.worth, item.option));
    keep_better(&mut items, |item| item.worth);
    items
}

/// Keeps, of what is sorted by loss, what is worth more than all before it.
fn keep_better<T>(sorted: &mut Vec<T>, worth: impl Fn(&T) -> i64) {
    let mut most = i64::MIN;
    sorted.retain(|one| {
        let is_better = worth(one) > most;
        most = most.max(worth(one));
        is_better
    });
}

/// What the linear relaxation shows.
struct Relaxed {
    /// Price of loss, in units of two to the power of minus [`FRACTION`].
    price: u64,
    /// A recipe within the budget.
    worth: i64,
    chosen: Vec<usize>,
}

fn best(layers: &[Vec<Item>], budget: u64) -> Option<Recipe> {
    let least: Option<u64> = layers.iter().map(|items| items.first().map(|item| item.loss)).sum();
    if least.is_none_or(|least| least > budget) {
        return None;
    }
    let relaxed = relax(layers, budget);
    let paid = |loss: u64| (u128::from(relaxed.price) * u128::from(loss)) >> FRACTION;
    let net = |item: &Item| i128::from(item.worth) - paid(item.loss) as i128;
    // By layer: what all layers from there on are worth at most, with their loss paid.
    let mut rest = vec![0i128; layers.len() + 1];
    for (at, items) in layers.iter().enumerate().rev() {
        rest[at] = rest[at + 1] + items.iter().map(net).max().unwrap_or(0);
    }
    let bound = |label: &Label, at: usize| {
        i128::from(label.worth) + rest[at] + paid(budget - label.loss) as i128 + 1
    };
    let recipe = |worth: i64, chosen: &[usize]| Recipe {
        worth,
        options: layers.iter().zip(chosen).map(|(items, &at)| items[at].option).collect(),
    };
    let mut traces: Vec<(u32, u16)> = Vec::new();
    let mut labels = vec![Label { loss: 0, worth: 0, trace: NOTHING }];
    let most = bound(&labels[0], 0);
    for (at, items) in layers.iter().enumerate() {
        let mut next: Vec<Label> = Vec::with_capacity(labels.len() * items.len());
        for (index, item) in items.iter().enumerate() {
            for label in &labels {
                let loss = label.loss + item.loss;
                let grown = Label { loss, worth: label.worth + item.worth, ..*label };
                if loss <= budget && bound(&grown, at + 1) > i128::from(relaxed.worth) {
                    traces.push((label.trace, index as u16));
                    next.push(Label { trace: traces.len() as u32 - 1, ..grown });
                }
            }
        }
        next.sort_by_key(|label| (label.loss, -label.worth, label.trace));
        keep_better(&mut next, |label| label.worth);
        if next.len() > LABELS_MAX {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            return Some(recipe(most, &relaxed.chosen));
        }
        labels = next;
    }
    let Some(best) = labels.last() else { return Some(recipe(relaxed.worth, &relaxed.chosen)) };
    let mut chosen = vec![0; layers.len()];
    let mut trace = best.trace;
    for at in (0..layers.len()).rev() {
        let (before, index) = traces[trace as usize];
        chosen[at] = usize::from(index);
        trace = before;
    }
    Some(recipe(best.worth, &chosen))
}

/// Steps along each layer's concave hull, the most worth for its loss first, as long as they fit;
/// the price is that of the first that does not.
fn relax(layers: &[Vec<Item>], budget: u64) -> Relaxed {
    /// From one item of a layer to another.
    struct Step {
        layer: usize,
        to: usize,
        loss: u64,
        worth: i64,
    }
    let mut steps: Vec<Step> = Vec::new();
    for (layer, items) in layers.iter().enumerate() {
        let mut at = 0;
        while at + 1 < items.len() {
            let rate = |to: &usize| {
                let (gain, loss) =
                    (items[*to].worth - items[at].worth, items[*to].loss - items[at].loss);
                gain as f64 / loss.max(1) as f64
            };
            let to = (at + 1..items.len()).max_by(|a, b| rate(a).total_cmp(&rate(b)));
            let Some(to) = to else { break };
            let (loss, worth) =
                (items[to].loss - items[at].loss, items[to].worth - items[at].worth);
            steps.push(Step { layer, to, loss, worth });
            at = to;
        }
    }
    let rate = |step: &Step| step.worth as f64 / step.loss.max(1) as f64;
    // Stable: of equal rates, those of a layer stay in order.
    steps.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
    let mut chosen = vec![0; layers.len()];
    let mut loss: u64 = layers.iter().map(|items| items[0].loss).sum();
    let mut worth: i64 = layers.iter().map(|items| items[0].worth).sum();
    let mut price = None;
    let mut is_closed = vec![false; layers.len()];
    for step in &steps {
        if is_closed[step.layer] || loss + step.loss > budget {
            is_closed[step.layer] = true;
            price = price.or(Some(rate(step)));
            continue;
        }
        loss += step.loss;
        worth += step.worth;
        chosen[step.layer] = step.to;
    }
    let price = price.unwrap_or(0.0) * (1u64 << FRACTION) as f64;
    Relaxed { price: price.clamp(0.0, (1u64 << 60) as f64) as u64, worth, chosen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small::{feasible_plans, prices, questions};

    /// The most that a recipe within the budget is worth, by trying all.
    fn most(layers: &[Vec<Item>], budget: u64) -> Option<i64> {
        let Some((items, rest)) = layers.split_first() else { return Some(0) };
        let worth = |item: &Item| {
            let left = budget.checked_sub(item.loss)?;
            Some(item.worth + most(rest, left)?)
        };
        items.iter().filter_map(worth).max()
    }

    #[test]
    fn recipes_are_worth_what_the_best_of_all_is() {
        let (mut kept, mut beyond) = (0, 0);
        for (seed, deployment) in questions().iter().enumerate() {
            let question = Question::new(deployment);
            let prices = prices(&question, 2 * seed as u64);
            let domain = question.whole();
            for model in 0..question.models() {
                let slots = question.slots_of(model);
                let layers: Vec<Vec<Item>> =
                    slots.map(|slot| items(&question, &domain, &prices, slot)).collect();
                let all: u64 = layers.iter().flatten().map(|item| item.loss).sum();
                for budget in (0..24).map(|part| all * part / 24) {
                    let best = best(&layers, budget);
                    let worth = best.as_ref().map(|recipe| recipe.worth);
                    assert_eq!(worth, most(&layers, budget), "{}", deployment.name);
                    let Some(recipe) = best else { continue };
                    let chosen = layers.iter().zip(&recipe.options).map(|(items, &option)| {
                        *items.iter().find(|item| item.option == option).expect("one of them")
                    });
                    let chosen: Vec<Item> = chosen.collect();
                    assert_eq!(chosen.iter().map(|item| item.worth).sum::<i64>(), recipe.worth);
                    let loss = chosen.iter().map(|item| item.loss).sum::<u64>();
                    assert!(loss <= budget, "{loss} of {budget}");
                    kept += 1;
                    beyond += usize::from(chosen.len() > 2 && budget > 0);
                }
            }
        }
        assert!(kept > 100 && beyond > 20, "{beyond} of {kept}");
    }

    #[test]
    fn no_plan_earns_more_than_the_best_recipe() {
        let mut checked = 0;
        for (seed, deployment) in questions().iter().enumerate() {
            let question = Question::new(deployment);
            let prices = prices(&question, 2 * seed as u64);
            let domain = question.whole();
            for plan in feasible_plans(deployment).iter().take(50) {
                for (model, assigned) in plan.models.iter().enumerate() {
                    let best = best_recipe(&question, &domain, &prices, model);
                    let best = best.expect("a plan has a recipe").worth;
                    let earned = question
                        .slots_of(model)
                        .zip(assigned)
                        .map(|(slot, at)| prices.options[question.option(slot, at.option)]);
                    let is_known = question.slots_of(model).zip(assigned).all(|(slot, at)| {
                        let choices = &question.choices[question.place(slot, at.device.index())];
                        choices.iter().any(|choice| choice.option == at.option)
                    });
                    assert!(!is_known || earned.sum::<i64>() <= best, "{}", deployment.name);
                    checked += usize::from(is_known);
                }
            }
        }
        assert!(checked > 100, "{checked}");
    }
}
