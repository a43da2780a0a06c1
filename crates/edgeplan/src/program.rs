//! A question as the file of an integer program, for solvers that read MPS or LP.

use std::path::Path;

use edgeplan_files::{InputError, stream_atomic};
use edgeplan_ilp::{NONZEROS_MAX, NamedChoice, NamedProgram};
use edgeplan_mip::{ModelFormat, write_model};
use edgeplan_problem::deployment::{Deployment, LayerRole, Objective};
use edgeplan_problem::recipe::Recipe;
use serde::Serialize;

use crate::Error;
use crate::session::Session;

impl Session {
    /// The integer program of the question, the one that HiGHS and CBC get, with names.
    ///
    /// ```
    /// # let session = edgeplan::Sources::default().load()?;
    /// let program = session.program()?;
    /// let folder = tempfile::tempdir().expect("a folder for temporary files");
    /// let path = folder.path().join("program.mps");
    /// edgeplan::write_program(&path, &program, edgeplan::ModelFormat::Mps)?;
    /// println!("{}", session.program_text(&program, &path));
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is larger than any that they get.
    pub fn program(&self) -> Result<NamedProgram, Error> {
        let program = NamedProgram::of(self.deployment(), NONZEROS_MAX);
        program.map_err(|too_large| Error::Impossible(too_large.to_string()))
    }

    /// How a solution of the program's file is read, for programs, under stable keys.
    ///
    /// See [`Session::program`] for an example.
    pub fn program_keys<'a>(
        &'a self,
        program: &'a NamedProgram,
        format: ModelFormat,
        file: &Path,
    ) -> impl Serialize + 'a {
        let instance = self.deployment();
        let stated = &program.formulated.program;
        ProgramKeys {
            format: format.word(),
            file: file.display().to_string(),
            instance: &instance.name,
            columns: stated.columns.len(),
            rows: stated.rows.len(),
            coefficients: stated.nonzeros(),
            cost: cost_key(instance),
            cost_of_one: program.formulated.scale,
            choices: program.choices.iter().map(|c| ChoiceKeys::of(instance, program, c)).collect(),
        }
    }

    /// The same for people, without the columns one by one.
    ///
    /// See [`Session::program`] for an example.
    pub fn program_text(&self, program: &NamedProgram, file: &Path) -> String {
        let stated = &program.formulated.program;
        let (columns, rows) = (stated.columns.len(), stated.rows.len());
        let (nonzeros, unit) = (stated.nonzeros(), program.formulated.scale);
        let (file, key) = (file.display(), cost_key(self.deployment()));
        format!(
            "{file}: {columns} columns, {rows} rows, {nonzeros} coefficients\n\
             {key} = objective x {unit}\n\
             of the columns x(model,layer,device,recipe), those that are 1 are the plan"
        )
    }
}

/// Writes a program to a file: whole or not at all.
///
/// See [`Session::program`] for an example.
///
/// # Errors
/// As [`stream_atomic`].
pub fn write_program(
    path: &Path,
    program: &NamedProgram,
    format: ModelFormat,
) -> Result<(), InputError> {
    let NamedProgram { formulated, names, .. } = program;
    stream_atomic(path, |out| write_model(&formulated.program, names, format, out))
}

fn cost_key(instance: &Deployment) -> &'static str {
    match instance.objective {
        Objective::Latency | Objective::Bottleneck => "cost_ns",
        Objective::Memory => "cost_bytes",
    }
}

/// Field names are stable keys.
#[derive(Serialize)]
struct ProgramKeys<'a> {
    format: &'static str,
    file: String,
    instance: &'a str,
    columns: usize,
    rows: usize,
    coefficients: usize,
    cost: &'static str,
    cost_of_one: f64,
    choices: Vec<ChoiceKeys<'a>>,
}

/// What the plan does where a column is 1. Field names are stable keys.
#[derive(Serialize)]
struct ChoiceKeys<'a> {
    column: &'a str,
    model: &'a str,
    layer: &'a LayerRole,
    device: &'a str,
    recipe: &'a Recipe,
}

impl<'a> ChoiceKeys<'a> {
    fn of(instance: &'a Deployment, program: &'a NamedProgram, choice: &NamedChoice) -> Self {
        let model = &instance.models[choice.model];
        let layer = &model.layers[choice.layer];
        Self {
            column: &program.names.columns[choice.column],
            model: &model.name,
            layer: &layer.role,
            device: &instance.device(choice.device).name,
            recipe: &layer.options[choice.option.index()].recipe,
        }
    }
}
