use edgeplan_problem::Cost;

use super::*;
use crate::paths::Ends;
use crate::prices::{Ceilings, Prices, message_costs};
use crate::small::{configurations, prices, questions, sending};

const ALL: LabelsMax = LabelsMax(usize::MAX / 4);

fn effort(labels_max: LabelsMax) -> Effort<'static> {
    Effort { labels_max, threads: 1, watch: Watch::default() }
}

/// What a configuration costs, from the definition: prices of its runs and choices, and in the
/// objective the bytes that it stores once.
fn cost(question: &Question<'_>, prices: &Prices, configuration: &Configuration) -> i64 {
    let device = configuration.device;
    let runs = configuration.runs(question);
    let ends = runs.iter().map(|run| {
        prices.begin[question.place(run.start, device)]
            + prices.end[question.place(run.end - 1, device)]
    });
    let ceilings = Ceilings::new(question, u64::MAX);
    let sends = configuration.sends.iter().map(|&arc| {
        let Ends { model, message, from, to } = question.ends(arc);
        let message = &question.deployment.models[model].messages[message];
        let costs = message_costs(question, prices, &ceilings, model, message);
        let next = match arc {
            Arc::Enter { .. } => Some(question.starts[model]),
            Arc::Hop { slot, .. } => Some(slot + 1),
            Arc::Leave { .. } => None,
        };
        let begin = next.map_or(0, |slot| prices.begin[question.place(slot, to)]);
        costs[from * question.devices + to] - begin
    });
    let mut single = 0;
    let choices = configuration.choices(question).map(|(slot, choice)| {
        single += choice.bytes;
        prices.choice(question, question.place(slot, device), choice)
    });
    let sum = choices.sum::<i64>() + ends.sum::<i64>() + sends.sum::<i64>();
    let once = configuration.taken(question).bytes - single;
    sum + ((question.byte_cost() * once) << question.shift) as i64
}

/// A configuration, and what it costs by definition.
struct Known {
    cost: i64,
    configuration: Configuration,
}

/// A device under random prices, and all that it may hold.
struct Case<'a> {
    question: &'a Question<'a>,
    pricing: Pricing<'a>,
    all: Vec<Known>,
}

impl Case<'_> {
    /// The least cost; that of nothing is zero, and of a source that sends there is none.
    fn least(&self) -> i64 {
        let nothing = self.pricing.nothing();
        self.all.iter().map(|known| known.cost).min().unwrap_or(nothing).min(nothing)
    }
}

fn each(visit: &mut dyn FnMut(&Case<'_>)) {
    for (seed, deployment) in questions().iter().enumerate() {
        let question = Question::new(deployment);
        let domain = question.whole();
        let prices = prices(&question, seed as u64);
        let cutoff = match deployment.brute_force() {
            Some((Cost(best), _)) if prices.routed => best + best / 4,
            _ => u64::MAX,
        };
        let ceilings = Ceilings::new(&question, cutoff);
        let terms = Terms { prices: &prices, ceilings: &ceilings };
        let ways = Ways::new(&question, &domain, &prices, &ceilings);
        for device in 0..question.devices {
            let mut all = configurations(&question, device);
            if prices.routed {
                all = sending(&question, device, all);
            }
            all.retain(|one| one.is_allowed(&question, &domain, &ceilings));
            let known = |configuration: Configuration| Known {
                cost: cost(&question, &prices, &configuration),
                configuration,
            };
            let all = all.into_iter().map(known).collect();
            let pricing = Pricing::new(&question, &domain, terms, &ways, device);
            visit(&Case { question: &question, pricing, all });
        }
    }
}

#[test]
fn the_cheapest_configuration_is_that_of_brute_force() {
    let (mut checked, mut searched, mut sent) = (0, 0, 0);
    each(&mut |case| {
        let priced = case.pricing.configurations(effort(ALL)).expect("nothing ends it");
        assert_eq!(priced.least, case.least(), "{}", case.question.deployment.name);
        for (value, configuration) in &priced.found {
            let known = case.all.iter().find(|known| known.configuration == *configuration);
            let known = known.expect("what is found may be held");
            assert_eq!(*value, known.cost, "{configuration:?}");
        }
        (checked, searched) = (checked + 1, searched + usize::from(priced.labels > 0));
        sent += usize::from(priced.found.iter().any(|(_, one)| !one.sends.is_empty()));
    });
    assert!(checked > 60 && searched > 10, "{searched} of {checked} by labels");
    assert!(sent > 10, "{sent} of {checked} send");
}

#[test]
fn few_labels_give_a_bound() {
    for labels_max in [LabelsMax(0), LabelsMax(1)] {
        let mut short = 0;
        each(&mut |case| {
            let (least, name) = (case.least(), &case.question.deployment.name);
            let priced = case.pricing.configurations(effort(labels_max)).expect("nothing ends it");
            assert!(priced.least <= least, "{name}: {} of {least}", priced.least);
            short += usize::from(priced.least < least);
        });
        assert!(short > 0, "{labels_max:?} was never too few");
    }
}

#[test]
fn no_configuration_with_a_choice_costs_less_than_its_bound() {
    let mut near = 0;
    each(&mut |Case { question, pricing, all }| {
        for ChoiceBound { place, choice, least } in pricing.choices() {
            let holds = |configuration: &Configuration| {
                configuration.held.iter().any(|held| {
                    let slot = held.slot as usize;
                    question.place(slot, configuration.device) == place
                        && usize::from(held.choice) == choice
                })
            };
            let with = all.iter().filter(|known| holds(&known.configuration));
            if let Some(cost) = with.map(|known| known.cost).min() {
                assert!(least <= cost, "{}: {least} of {cost}", question.deployment.name);
                // Prices of memory and time are rounded.
                near += usize::from((cost - least) as f64 <= 0.01 * cost.abs() as f64);
            }
        }
    });
    assert!(near > 10, "{near} bounds are near");
}
