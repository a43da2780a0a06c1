//! What an export says of itself: what is where, what is predicted, how to start it.

use std::fmt::Write as _;

use edgeplan_problem::deployment::{Part, part_names};
use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::{Nanos, Problem as _};

use crate::chain::Placed;
use crate::export::Order;
use crate::express::latency;

pub(crate) fn text(order: &Order, layers: &[Placed], steps: &[String]) -> String {
    let mut text = format!("# {} on {}\n\n", order.deployment.models[0].name, order.runtime.name);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Made by `{}`.\n", order.command);
    if let Some(model) = order.model {
        let _ = writeln!(text, "The model: {model}.\n");
    }
    for remark in order.remarks {
        let _ = writeln!(text, "{remark}\n");
    }
    text.push_str("## Start\n\n");
    for (index, step) in steps.iter().enumerate() {
        let _ = writeln!(text, "{}. {step}.", index + 1);
    }
    text.push_str("\n## Predicted\n\n");
    text.push_str(&times(order));
    text.push_str(&devices(order, layers));
    let _ = writeln!(text, "\n## About {}\n\n{}\n", order.runtime.name, order.runtime.note);
    text.push_str("What it can do was taken from:\n\n");
    for source in order.runtime.sources {
        let _ = writeln!(text, "- {source}");
    }
    text
}

/// Time to the first token, per further token, of the request.
fn times(order: &Order) -> String {
    let Some(request) = order.request else {
        let all = latency(order.deployment, order.plan);
        return format!(
            "One request takes {all}. Its times to the first and per further token are not known \
             of an instance file.\n\n"
        );
    };
    let (prompt, generate, all) = (request.prompt, request.generate, request.whole);
    let further = match generate {
        0 => String::new(),
        _ => {
            let each = Nanos(all.saturating_sub(request.first_token).0 / u64::from(generate));
            let rate = if each.0 == 0 { 0.0 } else { 1e9 / each.as_f64() };
            format!("- per further token (TPOT): {each}, {rate:.2} tokens/s\n")
        }
    };
    format!(
        "For a prompt of {prompt} tokens and {generate} generated ones, {} at a time:\n\n\
         - to the first token (TTFT): {}\n{further}- all of it: {all}\n\n",
        request.batch, request.first_token
    )
}

/// What is on each device, and how much memory that takes.
fn devices(order: &Order, layers: &[Placed]) -> String {
    let account = order.deployment.evaluate(order.plan).account;
    let mut text = String::from(
        "| device | layers | weights | KV cache | activations | runtime | in all | of |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for id in order.deployment.device_ids() {
        let bill = &account.devices[id.index()];
        let here = layers.iter().filter(|layer| layer.device == id);
        let parts: Vec<Part> = here.map(|layer| layer.part).collect();
        if parts.is_empty() {
            continue;
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            order.name(id).replace('|', "\\|"),
            part_names(&parts),
            bill.weights,
            bill.kv,
            bill.activations,
            bill.overhead,
            bill.memory(),
            order.deployment.device(id).memory
        );
    }
    text.push_str("\nRecipes:\n\n");
    let mut recipes: Vec<(&Recipe, Vec<Part>)> = Vec::new();
    for layer in layers {
        match recipes.iter_mut().find(|(known, _)| **known == layer.recipe) {
            Some((_, parts)) => parts.push(layer.part),
            None => recipes.push((&layer.recipe, vec![layer.part])),
        }
    }
    for (recipe, parts) in recipes {
        let _ = writeln!(text, "- {recipe}: {}", part_names(&parts));
    }
    if layers.iter().any(|layer| layer.recipe == Recipe::Native) {
        text.push_str("\n`native`: as the file has it.\n");
    }
    text
}
