//! Engines that err: the false optimum of CBC becomes the verdict `wrong`, its abort a row.

use edgeplan_ilp::{Formulated, Formulation, Ilp, TooLarge};
use edgeplan_mip::{Cbc, Highs, Program, from_mps};
use edgeplan_problem::{
    Contradiction, Cost, Evaluation, Limits, Problem, Silent, Verdict, reconcile, solve,
};

/// The model on which CBC errs, as a problem: costs in millionths.
struct Mps(Program);

/// A vector, rounded where it must be whole.
#[derive(Debug, Clone)]
struct Vector(Vec<f64>);

impl Problem for Mps {
    type Plan = Vector;
    type Violation = String;
    type Account = ();

    fn evaluate(&self, plan: &Vector) -> Evaluation<Self> {
        let cost = Cost((self.0.objective(&plan.0) * 1e6).round() as u64);
        let accepted = self.0.accepts(&plan.0, 1e-6);
        let violations = if accepted { Vec::new() } else { vec!["a row does not hold".into()] };
        Evaluation { cost, violations, account: () }
    }
}

impl Formulation for Mps {
    type Layout = ();

    fn formulate(&self, _nonzeros_max: usize) -> Result<Formulated<()>, TooLarge> {
        Ok(Formulated { program: self.0.clone(), scale: 1e6, layout: () })
    }

    fn decode(&self, formulated: &Formulated<()>, values: &[f64]) -> Option<Vector> {
        let columns = formulated.program.columns.iter().zip(values);
        let whole =
            columns.map(|(column, &value)| if column.integer { value.round() } else { value });
        Some(Vector(whole.collect()))
    }

    fn sample(
        &self,
        _formulated: &Formulated<()>,
        _values: &[f64],
        _uniform: &mut dyn FnMut() -> f64,
    ) -> Option<Vector> {
        None
    }

    fn encode(&self, _formulated: &Formulated<()>, plan: &Vector) -> Option<Vec<f64>> {
        Some(plan.0.clone())
    }

    fn chosen(&self, _formulated: &Formulated<()>, _plan: &Vector) -> Vec<u32> {
        Vec::new()
    }
}

fn model() -> Mps {
    let text = include_str!("../data/cbc_wrong_optimum/model.mps");
    Mps(from_mps(text).expect("a readable model"))
}

#[test]
fn a_false_optimum_is_wrong_and_says_whose_plan_denies_it() {
    let problem = model();
    let run = |ilp: &Ilp<Mps>| solve(&problem, ilp, Limits::default(), &mut Silent);
    let mut outcomes = [("highs", run(&Ilp::new(Highs))), ("cbc", run(&Ilp::new(Cbc::default())))];
    assert_eq!(outcomes[0].1.cost(), Some(Cost(209_116_497)), "{:?}", outcomes[0].1.verdict);
    assert!(matches!(outcomes[1].1.verdict, Verdict::Optimal { .. }), "CBC no longer errs");
    reconcile(&mut outcomes);
    assert!(matches!(outcomes[0].1.verdict, Verdict::Optimal { .. }));
    let Verdict::Wrong(contradiction) = &outcomes[1].1.verdict else {
        panic!("{:?}", outcomes[1].1.verdict)
    };
    assert!(matches!(contradiction, Contradiction::BoundAboveCost { by, .. } if by == "highs"));
    assert_eq!(outcomes[1].1.cost(), None, "a wrong answer is not ranked");
}

#[cfg(unix)]
#[test]
fn an_abort_is_a_verdict() {
    // An executable that dies by SIGABRT, as CBC does on some models.
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cbc.sh");
    std::fs::write(&path, "#!/bin/sh\nkill -ABRT $$\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ilp = Ilp::new(Cbc { executable: Some(path) });
    let outcome = solve(&model(), &ilp, Limits::default(), &mut Silent);
    let Verdict::Failed(reason) = &outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(reason.contains("signal: 6"), "{reason}");
}
