//! `edgeplan export --to mps|lp`: the question as a file that other solvers read.

use std::path::Path;

use anyhow::Result;
use edgeplan::{Deployment, ModelFormat, NamedChoice, NamedProgram, write_program};
use edgeplan_files::check_writable;
use edgeplan_problem::deployment::Objective;
use serde_json::{Value, json};

use crate::question::Question;
use crate::reply::Reply;

/// Writes the file, and says how a solution of it is read.
pub(crate) fn write(
    question: &Question,
    format: ModelFormat,
    out: &Path,
    as_json: bool,
) -> Result<Reply> {
    check_writable(out)?;
    let session = question.load()?;
    let instance = session.deployment();
    let program = session.program()?;
    write_program(out, &program, format)?;
    let NamedProgram { formulated, .. } = &program;
    let (columns, rows) = (formulated.program.columns.len(), formulated.program.rows.len());
    let nonzeros = formulated.program.nonzeros();
    let (file, unit, key) = (out.display(), formulated.scale, cost_key(instance));
    let text = format!(
        "{file}: {columns} columns, {rows} rows, {nonzeros} coefficients\n\
         {key} = objective x {unit}\n\
         of the columns x(model,layer,device,recipe), those that are 1 are the plan"
    );
    let json = json!({
        "format": format.word(),
        "file": file.to_string(),
        "instance": instance.name,
        "columns": columns,
        "rows": rows,
        "coefficients": nonzeros,
        "cost": key,
        "cost_of_one": unit,
        "choices": choices(instance, &program),
    });
    Ok(Reply::either(as_json, &json, &text))
}

/// The key of the cost in answers, which names its unit.
fn cost_key(instance: &Deployment) -> &'static str {
    match instance.objective {
        Objective::Latency | Objective::Bottleneck => "cost_ns",
        Objective::Memory => "cost_bytes",
    }
}

/// What the plan does where a column is 1.
fn choices(instance: &Deployment, program: &NamedProgram) -> Vec<Value> {
    let choice = |choice: &NamedChoice| {
        let model = &instance.models[choice.model];
        let layer = &model.layers[choice.layer];
        json!({
            "column": program.names.columns[choice.column],
            "model": model.name,
            "layer": layer.role,
            "device": instance.device(choice.device).name,
            "recipe": layer.options[choice.option.index()].recipe,
        })
    };
    program.choices.iter().map(choice).collect()
}
