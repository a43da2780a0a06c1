//! `hosts`: machines of GPUs and RAM, and a model with experts.

use edgeplan_families::{Hosts, hosts};
use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Objective, Placement};
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::deployments::{Choice, Generator, Variations};
use super::keys::{Few, List};
use super::{Case, parameters};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Machines.
    hosts: List<usize>,
    /// Devices of each: GPUs, and the CPU last.
    devices: List<usize>,
    /// Blocks of the model, of two parts each.
    blocks: List<usize>,
    /// Formats of every part.
    formats: usize,
    /// Seeds.
    seeds: List<u64>,
    /// Memory of all GPUs over what the model needs at 4.5 bits; 60 if none.
    #[serde(default)]
    memory_percent: Few,
    /// How much losses differ between blocks; 50 if none.
    #[serde(default)]
    spread_percent: Few,
    /// The quality budget, scaled.
    #[serde(default)]
    quality_percent: Few,
}

impl Keys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let sizes = iproduct!(self.hosts.each(), self.devices.each(), self.blocks.each());
        let others = iproduct!(self.memory_percent.each(), self.spread_percent.each());
        let usual = Hosts::default();
        let mut choices = Vec::new();
        for ((&machines, &devices, &blocks), (memory, spread), &seed) in
            iproduct!(sizes, others, self.seeds.each())
        {
            let family = Hosts {
                hosts: machines,
                devices,
                blocks,
                formats: self.formats,
                memory_percent: memory.unwrap_or(usual.memory_percent),
                spread_percent: spread.unwrap_or(usual.spread_percent),
                seed,
            };
            // Drawn only to see whether the numbers are in their range.
            hosts(&family)?;
            choices.push(choice(family));
        }
        let variations = Variations {
            objective: Objective::Latency,
            placement: Placement::Contiguous,
            usual_placement: Placement::Contiguous,
            tight_percent: &Few::default(),
            quality_percent: &self.quality_percent,
        };
        variations.cases(choices)
    }
}

fn choice(family: Hosts) -> Choice {
    let Hosts { hosts, devices, blocks, formats, memory_percent, spread_percent, seed } = family;
    let own = [
        ("hosts", hosts as u64),
        ("devices", (hosts * devices) as u64),
        ("layers", 2 * blocks as u64 + 2),
        ("formats", formats as u64),
        ("memory", memory_percent),
        ("spread", spread_percent),
    ];
    Choice {
        stem: format!(
            "hosts-{hosts}x{devices}-{blocks}x{formats}-{memory_percent}-{spread_percent}"
        ),
        seed: Some(seed),
        parameters: parameters("hosts", own),
        generator: Generator::Hosts(family),
    }
}
