//! Experts block by block: how often each is used, and what formats cost in them.

use std::collections::BTreeMap;

use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_problem::format::Format;
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

/// Experts of one block. Field names are stable keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ExpertsOfBlock {
    /// The block, from 0 on.
    pub(crate) block: u64,
    /// Tokens that each expert is used for.
    pub(crate) routed: Vec<u64>,
    /// What formats cost in its experts, in nats per token: the sum over gates and both
    /// projections, each measured alone. A format that one of them lacks is left out.
    pub(crate) nats: BTreeMap<Format, f64>,
}

/// The blocks of whose experts it is known how often they are used, in order.
pub(crate) fn experts_by_block(
    sensed: &MeasuredSensitivity,
    model: &ModelSpec,
) -> Vec<ExpertsOfBlock> {
    let mut formats: Vec<Format> = sensed.rows().iter().map(|row| row.format).collect();
    formats.sort();
    formats.dedup();
    let mut blocks: Vec<ExpertsOfBlock> = (sensed.routings.iter())
        .map(|routing| {
            let layers = model.layers.iter();
            let own = layers.filter(|layer| layer.part.block() == Some(routing.block as usize));
            let tensors: Vec<&str> = (own.flat_map(|layer| &layer.tensors))
                .filter(|tensor| tensor.experts.is_some() && tensor.quantizable)
                .map(|tensor| tensor.name.as_str())
                .collect();
            let cost = |&format: &Format| {
                let each = tensors.iter().map(|name| sensed.divergence(name, format));
                Some((format, each.sum::<Option<f64>>()?))
            };
            ExpertsOfBlock {
                block: routing.block,
                routed: routing.routed.clone(),
                nats: formats.iter().filter_map(cost).collect(),
            }
        })
        .collect();
    blocks.sort_by_key(|found| found.block);
    blocks
}

/// A row for each block: shares of what is routed, and nats by format; none without experts.
pub(crate) fn experts_table(blocks: &[ExpertsOfBlock]) -> Option<Table> {
    let mut formats: Vec<Format> =
        blocks.iter().flat_map(|block| block.nats.keys().copied()).collect();
    formats.sort();
    formats.dedup();
    let names = formats.iter().map(|format| format!("{format}>"));
    let first = ["experts of block".to_owned(), "tokens routed to each".to_owned()];
    let mut table = Table::new(first.into_iter().chain(names));
    for ExpertsOfBlock { block, routed, nats } in blocks {
        let all = routed.iter().sum::<u64>().max(1) as f64;
        let shares = routed.iter().map(|&count| format!("{:.0}", 100.0 * count as f64 / all));
        let shares = format!("{} %", shares.collect::<Vec<_>>().join(" "));
        let cost = |format| or_dash(nats.get(format).map(|nats| format!("{nats:.5}")));
        table.row([block.to_string(), shares].into_iter().chain(formats.iter().map(cost)));
    }
    (!blocks.is_empty()).then_some(table)
}
