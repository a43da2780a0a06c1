//! What is best after the events, for people and for programs.

use edgeplan_problem::deployment::Plan;
use edgeplan_problem::{Bytes, Cost, Nanos, Problem as _, gap};
use edgeplan_report::answer::headline;
use edgeplan_report::bill;
use edgeplan_report::bill::Bill;
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

use super::{Candidate, Kind, Move, Replanned};
use crate::Error;
use crate::diagnosis::DiagnosisKeys;
use crate::summary::Summary;

impl Kind {
    /// What it is called in tables and under the key `candidate`.
    ///
    /// See [`Session::replan`](crate::Session::replan) for an example.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stay => "old plan",
            Self::Optimum => "new optimum",
            Self::WithMoves => "with moves priced",
        }
    }
}

/// Field names are stable keys.
#[derive(Serialize)]
struct ReplannedKeys<'a> {
    instance: &'a str,
    verdict: &'static str,
    best: Option<&'static str>,
    horizon_ns: Nanos,
    requests: u64,
    total_ns: Option<Nanos>,
    total_lower_bound_ns: Option<Nanos>,
    gap: Option<f64>,
    optimum_verdict: &'static str,
    reason: Option<String>,
    wait_at_most_ns: Option<Nanos>,
    store: &'a str,
    moves: Vec<MoveKeys<'a>>,
    candidates: Vec<CandidateKeys<'a>>,
    #[serde(flatten)]
    plan: Option<PlanKeys>,
    #[serde(flatten)]
    diagnosis: Option<DiagnosisKeys>,
}

#[derive(Serialize)]
struct PlanKeys {
    summary: Vec<Summary>,
    #[serde(flatten)]
    bill: Bill,
}

#[derive(Serialize)]
struct MoveKeys<'a> {
    from: &'a str,
    to: &'a str,
    bytes: Bytes,
    tensors: usize,
}

#[derive(Serialize)]
struct CandidateKeys<'a> {
    candidate: &'static str,
    feasible: bool,
    violations: &'a [String],
    request_ns: Option<Nanos>,
    move_bytes: Bytes,
    from_own_disk_bytes: Bytes,
    move_ns: Nanos,
    move_bottleneck: Option<&'a str>,
    total_ns: Option<Nanos>,
}

impl Replanned {
    /// The plan to run from now on; none where nothing is feasible.
    ///
    /// See [`Session::replan`](crate::Session::replan) for an example.
    pub fn plan(&self) -> Option<&Plan> {
        self.candidate()?.plan.as_ref()
    }

    fn candidate(&self) -> Option<&Candidate> {
        self.candidates.get(self.best?)
    }

    /// Relative gap between the time over the horizon and its lower bound; none without both.
    ///
    /// See [`Session::replan`](crate::Session::replan) for an example.
    pub fn gap(&self) -> Option<f64> {
        Some(gap(Cost(self.candidate()?.total?.0), Cost(self.lower_bound?.0)))
    }

    /// `feasible`, or what is said of the question after the events: `infeasible`, `unknown`.
    fn verdict(&self) -> &'static str {
        match self.best {
            Some(_) => "feasible",
            None => self.planned.outcome.verdict.word(),
        }
    }

    /// The answer for programs, under stable keys.
    ///
    /// See [`Session::replan`](crate::Session::replan) for an example.
    ///
    /// # Errors
    /// As [`Session::summary`](crate::Session::summary).
    pub fn keys(&self) -> Result<impl Serialize, Error> {
        let deployment = self.session.deployment();
        let plan_keys = |plan: &Plan| {
            let bill = Bill::new(deployment, plan, &deployment.evaluate(plan).account);
            Ok::<_, Error>(PlanKeys { summary: self.session.summary(plan)?, bill })
        };
        let moves = self.candidate().map_or(&[][..], |best| &best.moving.moves);
        let (outcome, diagnosis) = (&self.planned.outcome, self.planned.diagnosis.as_ref());
        Ok(ReplannedKeys {
            instance: &deployment.name,
            verdict: self.verdict(),
            best: self.candidate().map(|best| best.kind.name()),
            horizon_ns: self.horizon.0,
            requests: self.requests,
            total_ns: self.candidate().and_then(|best| best.total),
            total_lower_bound_ns: self.lower_bound,
            gap: self.gap(),
            optimum_verdict: outcome.verdict.word(),
            reason: diagnosis
                .map(|diagnosis| diagnosis.sentence())
                .or_else(|| outcome.verdict.reason()),
            wait_at_most_ns: self.wait,
            store: &self.store,
            moves: moves.iter().map(move_keys).collect(),
            candidates: self.candidates.iter().map(candidate_keys).collect(),
            plan: self.plan().map(plan_keys).transpose()?,
            diagnosis: diagnosis.map(|diagnosis| diagnosis.keys(deployment)),
        })
    }

    /// The answer for people.
    ///
    /// See [`Session::replan`](crate::Session::replan) for an example.
    ///
    /// # Errors
    /// As [`Session::summary`](crate::Session::summary).
    pub fn text(&self) -> Result<String, Error> {
        let deployment = self.session.deployment();
        let (Some(best), Some(plan)) = (self.candidate(), self.plan()) else {
            let planned = self.planned.text(&self.session, None, false)?;
            return Ok(format!("{}\n\n{planned}", self.compared()));
        };
        let mut parts = self.session.sentences(plan)?;
        parts.push(self.sentence(best));
        parts.push(self.proof());
        parts.push(format!("\n{}", self.compared()));
        if !best.moving.moves.is_empty() {
            parts.push(format!("\n{}", moves_table(&best.moving.moves)));
            parts.push(self.computed(best));
        }
        parts.extend(self.wait.filter(|&wait| wait > Nanos::ZERO).map(|wait| {
            format!(
                "waiting for what is slow, and keeping the old plan, is quicker if that takes no \
                 more than {wait}"
            )
        }));
        let optimum = headline(deployment, self.planned.solver, &self.planned.outcome);
        parts.push(format!("of a request alone, whatever moves: {optimum}\n"));
        parts.push(bill::text(deployment, plan, &deployment.evaluate(plan).account));
        Ok(parts.join("\n"))
    }

    fn sentence(&self, best: &Candidate) -> String {
        let total = best.total.unwrap_or(Nanos::MAX);
        let (requests, each) = (self.requests, best.request);
        let disk = match best.moving.from_own_disk {
            Bytes::ZERO => String::new(),
            bytes => format!(", {bytes} are read from the disk of {}", self.store),
        };
        match best.moving.moves.is_empty() {
            true => format!(
                "{}: nothing moves between machines{disk}; {requests} requests of {each} take \
                 {total}",
                best.kind.name()
            ),
            false => format!(
                "{}: {} move in {}{disk}, then {requests} requests of {each}: {total} in all",
                best.kind.name(),
                best.moving.bytes(),
                best.moving.time
            ),
        }
    }

    fn proof(&self) -> String {
        match (self.lower_bound, self.gap()) {
            (Some(bound), Some(gap)) => format!(
                "no plan takes less than {bound} for its move and these requests (gap {:.2} %)",
                100.0 * gap
            ),
            _ => "no lower bound of move and requests together is proven".into(),
        }
    }

    fn compared(&self) -> Table {
        let row = |one: &Candidate| {
            let usable = one.total.is_some();
            let known = |text: String| if usable { text } else { "-".into() };
            [
                one.kind.name().to_owned(),
                known(one.request.to_string()),
                known(one.moving.bytes().to_string()),
                known(one.moving.time.to_string()),
                or_dash(one.total),
                one.violations
                    .first()
                    .map(|what| format!("infeasible: {what}"))
                    .unwrap_or_default(),
            ]
        };
        let columns = ["candidate", "request>", "moves>", "in>", "over the horizon>", ""];
        Table::new(columns).with_rows(self.candidates.iter().map(row))
    }

    /// How the time of the move is computed.
    fn computed(&self, best: &Candidate) -> String {
        let lane = best.moving.bottleneck.as_deref().unwrap_or("-");
        format!(
            "all moves at once by their widest routes, full duplex: the busiest is {lane}; reading \
             and writing disks is not counted; what no device holds in its new format comes from \
             {}",
            self.store
        )
    }
}

fn moves_table(moves: &[Move]) -> Table {
    let row = |one: &Move| {
        [one.from.clone(), one.to.clone(), one.bytes.to_string(), one.tensors.to_string()]
    };
    Table::new(["from", "to", "bytes>", "layers>"]).with_rows(moves.iter().map(row))
}

fn move_keys(one: &Move) -> MoveKeys<'_> {
    let Move { from, to, bytes, tensors } = one;
    MoveKeys { from, to, bytes: *bytes, tensors: *tensors }
}

fn candidate_keys(one: &Candidate) -> CandidateKeys<'_> {
    CandidateKeys {
        candidate: one.kind.name(),
        feasible: one.total.is_some(),
        violations: &one.violations,
        request_ns: one.total.map(|_| one.request),
        move_bytes: one.moving.bytes(),
        from_own_disk_bytes: one.moving.from_own_disk,
        move_ns: one.moving.time,
        move_bottleneck: one.moving.bottleneck.as_deref(),
        total_ns: one.total,
    }
}
