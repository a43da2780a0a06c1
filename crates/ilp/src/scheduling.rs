//! Scheduling as an integer program, as in GUS (arXiv 2011.08381, section III), with the demands
//! and the availability folded into which variables there are.
//!
//! Let `x[i,c]` be 1 if request `i` is served by candidate `c`, a server and a variant that no
//! other one on that server beats.
//!
//! ```text
//! max  sum_{i,c} US[i,c] x[i,c]
//!      sum_c x[i,c] <= 1                                    (1) each request at most once
//!      sum_{i, c on j} v[i,c] x[i,c] <= gamma[j]            (2) computation of server j
//!      sum_{i covered by j, c elsewhere} u[i,c] x[i,c] <= eta[j]    (3) communication of server j
//! ```
//!
//! With `n` requests and `m` servers a basis of the relaxation has `n + 2m` columns, at least one
//! of them in each row of (1). A request that is served in parts has at least two, so at most
//! `2m` requests are: leaving those unserved is feasible and costs less than `2m` satisfied users,
//! however many requests there are.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::Share;
use edgeplan_problem::scheduling::{Candidate, Plan, Scheduling};

use crate::scale::{Terms, at_most, minimise};
use crate::{Formulated, Formulation, TooLarge};

/// The variables of each request.
#[derive(Debug, Clone)]
pub struct Requests {
    /// By request: the candidates that no other one on their server beats.
    fronts: Vec<Vec<Candidate>>,
    /// The first variable of each front; the others follow.
    first: Vec<u32>,
}

/// A variable above this is 1 within every engine's tolerance.
const ONE: f64 = 1.0 - 1e-4;

impl Formulation for Scheduling {
    type Layout = Requests;

    fn formulate(&self, nonzeros_max: usize) -> Result<Formulated<Requests>, TooLarge> {
        let fronts: Vec<Vec<Candidate>> =
            self.requests.iter().map(|request| self.front(request)).collect();
        let candidates = || fronts.iter().flatten();
        let coefficients =
            |c: &Candidate| 1 + usize::from(c.computation > 0) + usize::from(c.communication > 0);
        let nonzeros: usize = candidates().map(coefficients).sum();
        if nonzeros > nonzeros_max {
            return Err(TooLarge { nonzeros, limit: nonzeros_max });
        }
        let mut program = Program::default();
        let mut first = Vec::with_capacity(fronts.len());
        let mut gain = Terms::default();
        let mut computation = vec![Terms::default(); self.servers.len()];
        let mut communication = vec![Terms::default(); self.servers.len()];
        for (request, front) in self.requests.iter().zip(&fronts) {
            first.push(program.columns.len() as u32);
            let mut once = Vec::with_capacity(front.len());
            for candidate in front {
                let variable = program.binary();
                once.push((variable, 1.0));
                gain.subtract(variable, candidate.satisfaction.0);
                let server = candidate.choice.server.index();
                computation[server].add(variable, candidate.computation);
                communication[request.covered_by.index()].add(variable, candidate.communication);
            }
            // (1) sum_c x[i,c] <= 1
            if !once.is_empty() {
                program.at_most(once, 1.0);
            }
        }
        for (index, server) in self.servers.iter().enumerate() {
            // (2) and (3)
            at_most(&mut program, std::mem::take(&mut computation[index]), server.computation);
            at_most(&mut program, std::mem::take(&mut communication[index]), server.communication);
        }
        let scale = minimise(&mut program, gain);
        // The cost is what users miss of one each.
        program.constant = self.cost_of(Share::ZERO).as_f64() / scale;
        Ok(Formulated { program, scale, layout: Requests { fronts, first } })
    }

    /// Requests that are served in parts are left unserved.
    fn decode(&self, formulated: &Formulated<Requests>, values: &[f64]) -> Option<Plan> {
        let layout = &formulated.layout;
        let whole = |request: usize| {
            let pairs = layout.pairs(request);
            let served = pairs.filter(|(_, variable)| values[variable.index()] > ONE);
            served.map(|(candidate, _)| candidate.choice).next()
        };
        Some(Plan { choices: (0..layout.fronts.len()).map(whole).collect() })
    }

    /// Each request independently, by its variables as probabilities.
    fn sample(
        &self,
        formulated: &Formulated<Requests>,
        values: &[f64],
        uniform: &mut dyn FnMut() -> f64,
    ) -> Option<Plan> {
        let layout = &formulated.layout;
        let draw = |request: usize| {
            let mut rest = uniform();
            let mut pairs = layout.pairs(request);
            let drawn = pairs.find(|(_, variable)| {
                rest -= values[variable.index()];
                rest < 0.0
            });
            drawn.map(|(candidate, _)| candidate.choice)
        };
        Some(Plan { choices: (0..layout.fronts.len()).map(draw).collect() })
    }

    fn encode(&self, formulated: &Formulated<Requests>, plan: &Plan) -> Option<Vec<f64>> {
        let mut values = vec![0.0; formulated.program.columns.len()];
        for (request, choice) in plan.choices.iter().enumerate() {
            let Some(choice) = *choice else { continue };
            let front = &formulated.layout.fronts[request];
            let position = self.at_least(front, request, choice)?;
            values[formulated.layout.first[request] as usize + position] = 1.0;
        }
        Some(values)
    }

    fn chosen(&self, formulated: &Formulated<Requests>, plan: &Plan) -> Vec<u32> {
        let layout = &formulated.layout;
        let chosen = plan.choices.iter().enumerate().filter_map(|(request, choice)| {
            let position = self.at_least(&layout.fronts[request], request, (*choice)?)?;
            Some(layout.first[request] + position as u32)
        });
        chosen.collect()
    }
}

impl Requests {
    /// The candidates of a request with their variables.
    fn pairs(&self, request: usize) -> impl Iterator<Item = (&Candidate, Variable)> {
        self.fronts[request].iter().zip((self.first[request]..).map(Variable))
    }

    /// Requests that a vector serves in parts; at most two for each server in a basic solution of
    /// the relaxation.
    pub fn in_parts(&self, values: &[f64]) -> usize {
        let parts = |&request: &usize| {
            let value = |(_, variable): (_, Variable)| values[variable.index()];
            self.pairs(request).map(value).any(|value| (1.0 - ONE..=ONE).contains(&value))
        };
        (0..self.fronts.len()).filter(parts).count()
    }
}
