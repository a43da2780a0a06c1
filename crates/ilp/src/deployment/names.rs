//! What columns and rows are called in files: for people, and for programs that make a plan of a
//! solution.

use std::collections::BTreeMap;
use std::fmt::Display;

use edgeplan_mip::{Names, Program, Variable};
use edgeplan_problem::deployment::{Deployment, DeviceId, OptionId};

use super::rows::Statement;
use super::{Layout, Order, state};
use crate::{Formulated, TooLarge};

/// A program with names.
#[derive(Debug, Clone)]
pub struct NamedProgram {
    /// The program.
    pub formulated: Formulated<Layout>,
    /// Its names.
    pub names: Names,
    /// What makes a plan: columns that are 1 or 0, one of each layer's is 1.
    pub choices: Vec<NamedChoice>,
}

/// A column, and what a plan does where it is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedChoice {
    /// Its place among the columns.
    pub column: usize,
    /// The model.
    pub model: usize,
    /// The layer, which
    pub layer: usize,
    /// is on this device
    pub device: DeviceId,
    /// in this option.
    pub option: OptionId,
}

impl NamedProgram {
    /// States a deployment's program, the one that engines get, with names: a letter or a word,
    /// and in parentheses what it is of. Characters other than letters, digits, `_` and `.` become
    /// `_`; of two equal names the second gets `_2` behind it.
    ///
    /// # Errors
    /// When it would have more coefficients than `nonzeros_max`.
    pub fn of(instance: &Deployment, nonzeros_max: usize) -> Result<Self, TooLarge> {
        let (formulated, rows) = state(instance, nonzeros_max, Some(RowNames::default()))?;
        let columns = columns(instance, &formulated.layout, &formulated.program);
        let choices = choices(&formulated.layout);
        let rows = rows.map(|rows| rows.names).unwrap_or_default();
        Ok(Self { formulated, names: Names { columns, rows }, choices })
    }
}

/// The names of the rows so far.
#[derive(Debug, Default)]
pub(super) struct RowNames {
    names: Vec<String>,
    taken: Taken,
}

impl Statement<'_> {
    /// Names the rows that were stated since the last call.
    pub(super) fn label(&mut self, family: &str, of: &[&dyn Display]) {
        let Some(rows) = &mut self.names else { return };
        while rows.names.len() < self.program.rows.len() {
            let name = rows.taken.unique(named(family, of));
            rows.names.push(name);
        }
    }
}

/// Names that are given, and how often each was asked for.
#[derive(Debug, Default)]
struct Taken(BTreeMap<String, u32>);

impl Taken {
    fn unique(&mut self, name: String) -> String {
        let Some(&asked) = self.0.get(&name) else {
            self.0.insert(name.clone(), 1);
            return name;
        };
        self.0.insert(name.clone(), asked + 1);
        // Another name may be equal to this one.
        self.unique(format!("{name}_{}", asked + 1))
    }
}

fn named(family: &str, of: &[&dyn Display]) -> String {
    let words: Vec<String> = of.iter().map(|part| word(&part.to_string())).collect();
    if words.is_empty() { family.to_owned() } else { format!("{family}({})", words.join(",")) }
}

/// Characters of a word at most: names of two hundred letters are none that people read.
const WORD_MAX: usize = 40;

fn word(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' };
    text.chars().take(WORD_MAX).map(kept).collect()
}

fn choices(layout: &Layout) -> Vec<NamedChoice> {
    let mut choices = Vec::new();
    for (model, chain) in layout.models.iter().enumerate() {
        for (layer, here) in chain.choices.iter().enumerate() {
            choices.extend(here.iter().map(|choice| NamedChoice {
                column: choice.variable.index(),
                model,
                layer,
                device: choice.device,
                option: choice.option,
            }));
        }
    }
    choices
}

/// The names of the columns, by column.
fn columns(instance: &Deployment, layout: &Layout, program: &Program) -> Vec<String> {
    let mut names = vec![None; program.columns.len()];
    // The first name stays: of a single model, `h` is `u` as well.
    let mut name = |variable: Variable, name: String| {
        names[variable.index()].get_or_insert(name);
    };
    let device = |id: DeviceId| instance.device(id).name.as_str();
    for (model, chain) in instance.models.iter().zip(&layout.models) {
        let whose: &dyn Display = &model.name;
        for (layer, choices) in model.layers.iter().zip(&chain.choices) {
            for choice in choices {
                let recipe = &layer.options[choice.option.index()].recipe;
                let of: [&dyn Display; 4] = [whose, &layer.role, &device(choice.device), recipe];
                name(choice.variable, named("x", &of));
            }
        }
        for (layer, moves) in model.layers.iter().zip(&chain.moves) {
            for step in moves {
                let of: [&dyn Display; 4] =
                    [whose, &layer.role, &device(step.from), &device(step.to)];
                name(step.variable, named("y", &of));
            }
        }
        for id in instance.device_ids() {
            name(chain.holds[id.index()], named("h", &[whose, &device(id)]));
            for (shared, &copy) in chain.copies[id.index()].iter().enumerate() {
                name(copy, named("c", &[whose, &device(id), &shared]));
            }
        }
    }
    for id in instance.device_ids() {
        name(layout.used[id.index()], named("u", &[&device(id)]));
    }
    if let Some(cycle) = layout.cycle {
        name(cycle, "T".into());
    }
    entries(instance, &layout.order, &mut name);
    let mut taken = Taken::default();
    let given = |name: Option<String>| taken.unique(name.unwrap_or_else(|| "v".into()));
    names.into_iter().map(given).collect()
}

fn entries(instance: &Deployment, order: &Order, name: &mut impl FnMut(Variable, String)) {
    for (id, begun) in order.members() {
        for (layer, &variable) in instance.models[0].layers.iter().zip(begun) {
            name(variable, named("z", &[&layer.role, &instance.device(id).name]));
        }
    }
}
