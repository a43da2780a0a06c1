use edgeplan_families::{Random, several};
use edgeplan_problem::{Cost, Watch};

use super::*;
use crate::bound::Bounded;
use crate::prices::Terms;
use crate::pricing::{Effort, LabelsMax};
use crate::recipes::Layout;
use crate::small::{configurations, feasible_plans, questions, sending};

const ALL: LabelsMax = LabelsMax(usize::MAX / 4);

/// A master with every column that there is.
fn full<'a>(question: &'a Question<'_>, routed: bool) -> Master<'a> {
    let mut master = Master::new(question, question.cost_max, 1, routed).expect("HiGHS takes it");
    for device in 0..question.devices {
        let mut all = configurations(question, device);
        if routed {
            all = sending(question, device, all);
        }
        for configuration in all {
            master.add_configuration(&configuration).expect("HiGHS takes it");
        }
    }
    if routed {
        return master;
    }
    for model in 0..question.models() {
        let slots = question.slots_of(model);
        let devices = 0..question.devices;
        let ends = devices.clone();
        let mut arcs: Vec<Arc> = ends
            .flat_map(|device| [Arc::Enter { model, device }, Arc::Leave { model, device }])
            .collect();
        for slot in slots.start..slots.end - 1 {
            let pairs = devices.clone().flat_map(|from| devices.clone().map(move |to| (from, to)));
            let hops = pairs.filter(|(from, to)| from != to);
            arcs.extend(hops.map(|(from, to)| Arc::Hop { slot, from, to }));
        }
        for arc in arcs {
            master.add_arc(arc).expect("HiGHS takes it");
        }
    }
    master
}

#[test]
fn with_all_columns_it_bounds_every_plan_and_its_duals_prove_its_value() {
    let (mut checked, mut tight) = (0, 0);
    let all = questions();
    let bottlenecks = all.iter().filter(|one| one.objective == Objective::Bottleneck);
    let cases = all.iter().map(|one| (one, false)).chain(bottlenecks.map(|one| (one, true)));
    for (deployment, routed) in cases {
        let Some((Cost(best), _)) = deployment.brute_force() else { continue };
        let question = Question::new(deployment);
        let mut master = full(&question, routed);
        let domain = question.whole();
        let ceilings = Ceilings::new(&question, best + 1);
        master.focus(&domain, &ceilings).expect("HiGHS takes it");
        let mixture = master.optimum(None).expect("HiGHS answers").expect("an optimum");
        let name = &deployment.name;
        assert!(!mixture.misses, "{name}");
        let objective = mixture.objective;
        assert!(objective <= best as f64 * (1.0 + 1e-6), "{name}: {objective} of {best}");
        // No column costs less than its reduced cost of zero, so the Lagrangian bound at the duals
        // is the optimum of the master, but for rounding.
        let terms = Terms { prices: &mixture.prices, ceilings: &ceilings };
        let effort = Effort { labels_max: ALL, threads: 1, watch: Watch::default() };
        let bounded = Bounded::new(&question, &domain, terms, effort).expect("no limit");
        let proven = bounded.cost(&question);
        assert!(proven <= best, "{name}: {proven} of {best}");
        assert!(proven as f64 >= objective * (1.0 - 1e-4), "{name}: {proven} of {objective}");
        (checked, tight) = (checked + 1, tight + usize::from(proven == best));
    }
    assert!(checked > 20 && tight > 0, "{tight} tight of {checked}");
}

#[test]
fn configurations_that_send_bound_no_less_than_ways_apart() {
    let mut better = 0;
    for seed in 0..8 {
        let objective = Objective::Bottleneck;
        let (layers, devices, formats) = (3, 4, 2);
        let family = Random { layers, devices, formats, objective, seed, ..Random::default() };
        let deployment = several(&family, 2);
        let Some((Cost(best), _)) = deployment.brute_force() else { continue };
        let question = Question::new(&deployment);
        let bound = |routed: bool| {
            let mut master = full(&question, routed);
            let ceilings = Ceilings::new(&question, best + 1);
            master.focus(&question.whole(), &ceilings).expect("HiGHS takes it");
            master.optimum(None).expect("HiGHS answers").expect("an optimum").objective
        };
        let (apart, routed) = (bound(false), bound(true));
        assert!(routed >= apart * (1.0 - 1e-6), "{}: {routed}, {apart}", deployment.name);
        better += usize::from(routed > apart * 1.001);
    }
    assert!(better > 2, "{better}");
}

#[test]
fn columns_are_added_once_and_closed_ones_opened_again() {
    let deployment = &questions()[0];
    let question = Question::new(deployment);
    let plan = &feasible_plans(deployment)[0];
    let layout = Layout::of(&question, plan).expect("no choice beats another");
    let held = layout.configurations(&question, false);
    let mut master = Master::new(&question, question.cost_max, 1, false).expect("HiGHS takes it");
    assert!(master.add_configuration(&held[0]).expect("HiGHS takes it"));
    assert!(!master.add_configuration(&held[0]).expect("HiGHS takes it"));
    let mut domain = question.whole();
    domain.close(question.place(held[0].held[0].slot as usize, held[0].device));
    let ceilings = Ceilings::new(&question, u64::MAX);
    master.focus(&domain, &ceilings).expect("HiGHS takes it");
    assert!(master.add_configuration(&held[0]).expect("HiGHS takes it"), "it was closed");
    // Without the other columns the model is nowhere.
    assert!(master.optimum(None).expect("HiGHS answers").expect("an optimum").misses);
}

/// What has no share is taken out without a change of the optimum, and comes back when it is found
/// again.
#[test]
fn unused_configurations_leave_and_come_back() {
    let mut purged = 0;
    for deployment in questions().iter().filter(|one| one.objective == Objective::Bottleneck) {
        let question = Question::new(deployment);
        let mut master = full(&question, true);
        let columns = master.columns.len();
        let (domain, ceilings) = (question.whole(), Ceilings::new(&question, u64::MAX));
        master.focus(&domain, &ceilings).expect("HiGHS takes it");
        let before = master.optimum(None).expect("HiGHS answers").expect("an optimum");
        master.purge(0).expect("HiGHS takes it");
        assert_eq!(master.columns.len(), columns, "all are new");
        master.solutions += UNUSED_MAX + 1;
        master.purge(0).expect("HiGHS takes it");
        let left = master.columns.len();
        assert_eq!((left, left), (master.open.len(), master.used.len()));
        assert_eq!(left, master.program.columns());
        let near = |mixture: &Mixture| {
            (mixture.objective - before.objective).abs() <= 1e-6 * before.objective.abs().max(1.0)
        };
        let after = master.optimum(None).expect("HiGHS answers").expect("an optimum");
        assert!(near(&after), "{} of {}", after.objective, before.objective);
        let again = full(&question, true);
        for column in &again.columns {
            if let Column::Configuration(configuration) = column {
                master.add_configuration(configuration).expect("HiGHS takes it");
            }
        }
        assert_eq!(master.columns.len(), columns);
        master.focus(&domain, &ceilings).expect("HiGHS takes it");
        let whole = master.optimum(None).expect("HiGHS answers").expect("an optimum");
        assert!(near(&whole), "{} of {}", whole.objective, before.objective);
        purged += usize::from(left < columns);
    }
    assert!(purged > 5, "{purged}");
}

#[test]
fn duals_beyond_what_prices_hold_keep_their_ratios() {
    let deployment = &questions()[0];
    let question = Question::new(deployment);
    let master = Master::new(&question, question.cost_max, 1, false).expect("HiGHS takes it");
    let rows = &master.rows.begin;
    let mut duals = vec![0.0; Rows::new(&question, false).0.len()];
    let far = 1e6 * question.price_max as f64;
    (duals[rows[0]], duals[rows[1]]) = (-far, far / 4.0);
    let begin = master.prices(&duals).begin;
    let share = begin[1] as f64 / begin[0] as f64;
    assert!((share + 0.25).abs() < 1e-9, "{begin:?}");
    assert!(begin[0] > question.price_max / 2 && begin[0] <= question.price_max);
}
