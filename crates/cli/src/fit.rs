//! `edgeplan fit`: which models fit a machine, how fast, how well, and with how much context.

use std::time::Duration;

use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use edgeplan::fit::{Fit, Fitted, catalog, models_in};
use edgeplan::{Changes, Error, Limits, Task};
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::detect::Detected;
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::{Goal, Workload};
use serde_json::{Map, Value, json};

use crate::question::{Machines, RequestKeys, seconds};
use crate::reply::Reply;
use crate::report::table;
use crate::watch;

#[derive(Debug, clap::Args)]
#[command(after_help = "Unless said otherwise, a model counts at 10 tokens/s and the quality of \
                        q4_K_M.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    machines: Machines,
    /// Model: `catalog:NAME`, a GGUF file, a config.json, or a folder of these; repeat for several
    /// [default: the whole catalog]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    model: Vec<String>,
    #[command(flatten)]
    request: RequestKeys,
    /// What comes first: the largest models, the fastest, the least loss, or the longest context
    #[arg(long, value_enum, default_value_t = Order::Size)]
    sort: Order,
    /// Rows to print; 0 prints all
    #[arg(long, default_value_t = 20)]
    rows: usize,
    /// Time limit of everything, in seconds
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true, value_parser = seconds)]
    time: f64,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Order {
    Size,
    Speed,
    Quality,
    Context,
}

/// Tokens per second that are fast enough where nobody says: faster than most people read.
const DECODE_MIN: f64 = 10.0;
/// The coarsest mix that counts where nobody says.
const FLOOR: &str = "q4_K_M";

/// The machines in question, and what is to be known of them.
fn machines(arguments: &Machines) -> Result<(Cluster, Vec<String>)> {
    if !arguments.device.is_empty() || arguments.cluster.is_some() {
        return Ok((arguments.sources().machines()?, Vec::new()));
    }
    let found = Detected::here();
    let cluster = Cluster::parse("this machine", &found.cluster_toml())?;
    let names: Vec<&str> = cluster.devices.iter().map(|(_, device)| &device.profile[..]).collect();
    let mut notes = vec![format!("this machine: {}, {} of memory", names.join(", "), found.memory)];
    notes.extend(found.notes);
    Ok((cluster, notes))
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    watch::listen();
    let (cluster, notes) = machines(&arguments.machines)?;
    let asked = arguments.request.changes(Some(Goal::Quality));
    let changes = Changes {
        quality: asked.quality.or_else(|| Some(Quality::Like(FLOOR.into()))),
        decode_min: asked.decode_min.or(Some(DECODE_MIN)),
        ..asked
    };
    let mut workload = Workload::default();
    changes.apply(&mut workload)?;
    let models = match arguments.model.is_empty() {
        true => catalog(),
        false => arguments.model.iter().flat_map(|model| models_in(model)).collect(),
    };
    let limits = Limits {
        time: Some(Duration::from_secs_f64(arguments.time)),
        interrupt: Some(watch::flag()),
        ..Task::default().limits
    };
    let fit = Fit { models, cluster, workload };
    let found = fit.run(&Task { limits, ..Task::default() });
    let (mut fitted, mut failed) = (Vec::new(), Vec::new());
    for (name, result) in found {
        match result {
            Ok(model) => fitted.push(model),
            Err(error) => failed.push((name, error)),
        }
    }
    fitted.sort_by(|a, b| key(arguments.sort, a).total_cmp(&key(arguments.sort, b)));
    let fits = fitted.iter().filter(|model| model.best.is_some()).count();
    let reply = match arguments.json {
        true => Reply::json(&json(&fitted, &failed, &notes)),
        false => Reply::text(&text((arguments.rows, &fit.workload), &fitted, &failed, &notes)),
    };
    Ok(reply.found(fits > 0))
}

/// Ascending: what comes first has the least.
fn key(order: Order, model: &Fitted) -> f64 {
    let Some(best) = &model.best else { return f64::INFINITY };
    match order {
        Order::Size => -(model.parameters as f64),
        Order::Speed => -best.summary.decode_tokens_per_s.unwrap_or_default(),
        Order::Quality => best.summary.loss,
        Order::Context => -(best.context_max.unwrap_or_default() as f64),
    }
}

fn text(
    (rows_max, workload): (usize, &Workload),
    fitted: &[Fitted],
    failed: &[(String, Error)],
    notes: &[String],
) -> String {
    let mut lines = notes.to_vec();
    lines.push(format!(
        "least loss at {} tokens/s or more after {} tokens, and the longest context within the \
         quality floor",
        workload.decode_min.unwrap_or_default(),
        workload.prompt
    ));
    let header = ["model", "size", "tokens/s", "first token", "like", "loss", "context", "memory"];
    let mut rows = table(&header, &[1, 2, 3, 5, 6, 7]);
    let most = if rows_max == 0 { usize::MAX } else { rows_max };
    let fits: Vec<_> = fitted.iter().filter_map(|m| Some((m, m.best.as_ref()?))).collect();
    for (model, best) in fits.iter().take(most) {
        let summary = &best.summary;
        rows.add_row([
            model.model.clone(),
            format!("{:.1} B", model.parameters as f64 / 1e9),
            summary.decode_tokens_per_s.map_or("-".into(), |rate| format!("{rate:.1}")),
            summary.first_token_ns.to_string(),
            summary.like.unwrap_or("-").to_owned(),
            format!("{:.4}", summary.loss),
            best.context_max.map_or("-".into(), |tokens| tokens.to_string()),
            best.memory_bytes.to_string(),
        ]);
    }
    lines.push(rows.to_string());
    let impossible = fitted.iter().filter(|model| model.impossible).count();
    let unknown = fitted.len() - fits.len() - impossible;
    let mut counts = vec![format!("{} of {} models fit", fits.len(), fitted.len() + failed.len())];
    if fits.len() > most {
        counts.push(format!("{most} are shown; --rows 0 shows all"));
    }
    if impossible > 0 {
        counts.push(format!("{impossible} are proven not to"));
    }
    if unknown > 0 {
        counts.push(format!("{unknown} were not decided in time"));
    }
    lines.push(counts.join(", "));
    lines.extend(failed.iter().map(|(name, error)| format!("{name}: {error}")));
    lines.join("\n")
}

fn json(fitted: &[Fitted], failed: &[(String, Error)], notes: &[String]) -> Map<String, Value> {
    let errors: Map<String, Value> =
        failed.iter().map(|(name, error)| (name.clone(), json!(error.to_string()))).collect();
    let mut json = Map::new();
    json.insert("models".into(), json!(fitted));
    json.insert("errors".into(), Value::Object(errors));
    json.insert("notes".into(), json!(notes));
    json
}
