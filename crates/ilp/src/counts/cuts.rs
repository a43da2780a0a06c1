//! Rows that are added where a solution breaks them: what classes lose at least, and connections.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::deployment::{Deployment, OptionId};

use super::layout::{Layout, Lost, Passage};
use super::transport::{self, Tangent};

/// A solution below a tangent by so little of the allowed loss is on it.
const ON: f64 = 1e-7;

/// Adds tangents of what classes lose, at the whole counts next to a solution; how many.
pub(super) fn add_losses(
    instance: &Deployment,
    layout: &Layout,
    program: &mut Program,
    values: &[f64],
) -> usize {
    let mut added = 0;
    for &lost in &layout.losses {
        let options = options(layout, lost.class);
        let shares: Vec<f64> = options
            .iter()
            .map(|&option| in_option(layout, lost, option).map(|v| values[v.index()]).sum())
            .collect();
        let layers = &layout.classes.layers[lost.class];
        let counts = rounded(&shares, layers.len() as u64);
        let loss = |layer: usize, option: usize| {
            instance.models[0].layers[layer].options[options[option].index()].loss.0
        };
        let tangents = transport::tangents(layers, &counts, &loss);
        let value = |tangent: &Tangent| {
            let slopes = tangent.slopes.iter().zip(&shares);
            let priced: f64 = slopes.map(|(&slope, share)| slope as f64 * share).sum();
            (tangent.constant as f64 + priced) / layout.loss_unit
        };
        let now = values[lost.variable.index()];
        let highest = tangents.iter().max_by(|a, b| value(a).total_cmp(&value(b)));
        let Some(tangent) = highest.filter(|highest| value(highest) > now + ON * UNITS) else {
            continue;
        };
        let mut terms = vec![(lost.variable, -1.0)];
        for (&option, &slope) in options.iter().zip(&tangent.slopes) {
            let slope = slope as f64 / layout.loss_unit;
            terms.extend(in_option(layout, lost, option).map(|variable| (variable, slope)));
        }
        terms.retain(|(_, factor)| *factor != 0.0);
        program.at_most(terms, -(tangent.constant as f64) / layout.loss_unit);
        added += 1;
    }
    added
}

/// Units of the allowed loss.
const UNITS: f64 = super::layout::LOSS_UNITS;

fn options(layout: &Layout, class: usize) -> Vec<OptionId> {
    let here = layout.counted.iter().filter(|counted| counted.spot.class == class);
    let mut options: Vec<OptionId> = here.map(|counted| counted.spot.option).collect();
    options.sort_unstable();
    options.dedup();
    options
}

fn in_option(layout: &Layout, lost: Lost, option: OptionId) -> impl Iterator<Item = Variable> {
    let here = layout
        .counted
        .iter()
        .filter(move |counted| counted.spot.class == lost.class && counted.spot.option == option);
    here.map(|counted| counted.variable)
}

/// Whole numbers next to these, of that sum (largest remainders).
fn rounded(shares: &[f64], sum: u64) -> Vec<u64> {
    let mut counts: Vec<u64> = shares.iter().map(|share| (share + 1e-6).floor() as u64).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let rest = |index: usize| shares[index] - counts[index] as f64;
    let rests: Vec<f64> = (0..shares.len()).map(rest).collect();
    order.sort_by(|&a, &b| rests[b].total_cmp(&rests[a]));
    let mut left = sum.saturating_sub(counts.iter().sum());
    for &index in order.iter().cycle().take(shares.len() * 2) {
        let one = u64::from(left > 0);
        counts[index] += one;
        left -= one;
    }
    // Shares of a solution have that sum but for an engine's tolerance.
    let mut above = counts.iter().sum::<u64>().saturating_sub(sum);
    for count in &mut counts {
        let less = above.min(*count);
        *count -= less;
        above -= less;
    }
    counts
}

/// Adds rows for the sets of classes on devices that a whole solution holds without entering them;
/// how many sets.
pub(super) fn add_connections(layout: &Layout, program: &mut Program, values: &[f64]) -> usize {
    let whole = |variable: Variable| values[variable.index()].round() as u64;
    let nodes = layout.held.len();
    let passages = passages(layout);
    let mut reached = vec![false; nodes];
    let first = layout.classes.of_layer[0];
    let start = layout.starts.iter().position(|&start| whole(start) == 1);
    let Some(start) = start.and_then(|device| {
        layout.held.iter().position(|h| h.class == first && h.device.index() == device)
    }) else {
        return 0;
    };
    let mut sets = 0;
    let mut from = Some(start);
    while let Some(begin) = from {
        let set = reachable(layout, &passages, values, begin);
        if begin != start {
            require(layout, program, &set, &passages);
            sets += 1;
        }
        set.iter().zip(&mut reached).for_each(|(&is_in, reached)| *reached |= is_in);
        from = (0..nodes).find(|&at| !reached[at] && whole(layout.held[at].variable) > 0);
    }
    sets
}

/// By step: the nodes, classes on devices, that it leads from and to.
fn passages(layout: &Layout) -> Vec<[Option<usize>; 2]> {
    let node = |class: usize, device| {
        layout.held.iter().position(|held| (held.class, held.device) == (class, device))
    };
    let of = |passage: Passage| [0, 1].map(|s| node(passage.classes[s], passage.devices[s]));
    layout.steps.iter().map(|step| of(step.passage)).collect()
}

/// The nodes that a solution's steps lead to from one, in any direction.
fn reachable(
    layout: &Layout,
    passages: &[[Option<usize>; 2]],
    values: &[f64],
    begin: usize,
) -> Vec<bool> {
    let mut is_in = vec![false; layout.held.len()];
    is_in[begin] = true;
    loop {
        let mut grown = false;
        for (step, passage) in layout.steps.iter().zip(passages) {
            let &[Some(from), Some(to)] = passage else { continue };
            if values[step.variable.index()].round() >= 1.0 && is_in[from] != is_in[to] {
                (is_in[from], is_in[to]) = (true, true);
                grown = true;
            }
        }
        if !grown {
            return is_in;
        }
    }
}

/// Each node of a set holds something only if the set is entered.
fn require(
    layout: &Layout,
    program: &mut Program,
    is_in: &[bool],
    passages: &[[Option<usize>; 2]],
) {
    let first = layout.classes.of_layer[0];
    let mut entries: Vec<Variable> = Vec::new();
    for (step, passage) in layout.steps.iter().zip(passages) {
        let &[Some(from), Some(to)] = passage else { continue };
        if is_in[to] && !is_in[from] {
            entries.push(step.variable);
        }
    }
    for (held, _) in layout.held.iter().zip(is_in).filter(|(_, is_in)| **is_in) {
        if held.class == first {
            entries.push(layout.starts[held.device.index()]);
        }
    }
    for (held, _) in layout.held.iter().zip(is_in).filter(|(_, is_in)| **is_in) {
        let terms = entries.iter().map(|&entry| (entry, -1.0));
        program.at_most(terms.chain([(held.is_any, 1.0)]), 0.0);
    }
}

/// Adds rows for sets of two nodes that are apart: a block whose parts lie on two devices and go
/// back and forth.
pub(super) fn add_pairs(layout: &Layout, program: &mut Program) {
    let passages = passages(layout);
    for passage in &passages {
        let &[Some(from), Some(to)] = passage else { continue };
        let back = [Some(to), Some(from)];
        if from < to && passages.contains(&back) {
            let mut is_in = vec![false; layout.held.len()];
            (is_in[from], is_in[to]) = (true, true);
            require(layout, program, &is_in, &passages);
        }
    }
}
