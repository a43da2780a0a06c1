//! Other machines, other links: what each would buy, each planned and proven.

use std::str::FromStr;
use std::time::Instant;

use edgeplan_files::InputError;
use edgeplan_files::quantity::Bandwidth;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Limits, Nanos, Outcome, gap};
use edgeplan_report::answer::CostKey;
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

use crate::Error;
use crate::answer::{Phase, Progress, Task, answer};
use crate::session::Session;

/// Other machines or links, and what they would cost.
///
/// ```
/// use edgeplan::Alternative;
///
/// let card: Alternative = "+pc:rtx-3090-24@700".parse()?;
/// assert_eq!(card.price, Some(700.0));
/// assert!("link=10 GHz".parse::<Alternative>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// As it was written, without its price.
    pub name: String,
    /// In whatever money; all prices in the same.
    pub price: Option<f64>,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// A device of the catalog, in a host or on the network.
    More { host: Option<String>, device: String },
    /// A device or a host less.
    Less(String),
    /// All links, or those between two ends, at another bandwidth.
    Links { ends: Option<String>, bandwidth: Bandwidth },
}

const ALLOWED: &str = "`+DEVICE`, `+HOST:DEVICE`, `-NAME`, `link=10 Gbit/s` or \
    `NAME-NAME=10 Gbit/s`, each with a price after it such as `@700`";

impl FromStr for Alternative {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, price) = match text.rsplit_once('@') {
            None => (text, None),
            Some((name, price)) => {
                let number = price.trim().parse::<f64>().ok();
                let number = number.filter(|number| number.is_finite() && *number > 0.0);
                let problem = || format!("`@{price}`: a price above 0 such as `@700` is allowed");
                (name, Some(number.ok_or_else(problem)?))
            }
        };
        let name = name.trim();
        let what = if let Some(device) = name.strip_prefix('+') {
            let (host, device) = match device.split_once(':') {
                Some(("catalog", device)) => (None, device),
                Some((host, device)) => (Some(host.to_owned()), device),
                None => (None, device),
            };
            What::More { host, device: device.to_owned() }
        } else if let Some(machine) = name.strip_prefix('-') {
            What::Less(machine.to_owned())
        } else if let Some((ends, bandwidth)) = name.split_once('=') {
            let bandwidth = bandwidth.parse().map_err(|error| format!("{ends}: {error}"))?;
            if bandwidth == Bandwidth(0) {
                return Err(format!("{ends}: 0; more than that is needed"));
            }
            let ends = ends.trim();
            What::Links { ends: (ends != "link").then(|| ends.to_owned()), bandwidth }
        } else {
            return Err(format!("`{name}`: {ALLOWED} is allowed"));
        };
        Ok(Self { name: name.to_owned(), price, what })
    }
}

/// A question's best plan, as its users see it.
///
/// See [`Session::what_if`] for an example.
#[derive(Debug, Clone)]
pub struct Served {
    /// Plan, verdict, bound.
    pub outcome: Outcome<Plan>,
    /// Generated tokens per second, of all models together; none without a plan, without generated
    /// tokens, or for an instance file.
    pub tokens_per_s: Option<f64>,
    /// The longest time to a first token (TTFT) of any model; none as above.
    pub first_token: Option<Nanos>,
}

/// What came of an alternative.
///
/// See [`Session::what_if`] for an example.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Name and price.
    pub alternative: Alternative,
    /// Its plan; or why there is no such question, such as a device that nothing reaches.
    pub served: Result<Served, String>,
    /// Tokens per second above those of today's plan, all of them where there is none; without
    /// tokens, the share of today's cost that is saved, in percent.
    pub gained: Option<f64>,
}

impl Tried {
    /// What is gained per unit of money; none without a price.
    ///
    /// See [`Session::what_if`] for an example.
    pub fn gained_per_price(&self) -> Option<f64> {
        Some(self.gained? / self.alternative.price?)
    }
}

/// Today's plan, and alternatives ranked by what they gain.
///
/// See [`Session::what_if`] for an example.
#[derive(Debug, Clone)]
pub struct WhatIf {
    /// The question as it is.
    pub today: Served,
    /// The best one first; those without a plan last.
    pub tried: Vec<Tried>,
    /// Whether they are ranked by what is gained per unit of money: each has a price.
    pub by_price: bool,
}

impl Session {
    /// Plans the question with other machines and links, each alternative by itself. The task's
    /// time is that of all plans together.
    ///
    /// ```
    /// use edgeplan::{Quiet, Sources, Task};
    ///
    /// let models = vec!["catalog:tinyllama-1.1b".into()];
    /// let session = Sources { models, ..Sources::default() }.load()?;
    /// let alternatives = ["link=10 Gbit/s".parse(), "-desktop".parse()];
    /// let alternatives: Vec<_> = alternatives.into_iter().flatten().collect();
    /// let answer = session.what_if(&alternatives, &Task::default(), &mut Quiet)?;
    /// assert_eq!(answer.tried[0].alternative.name, "link=10 Gbit/s");
    /// println!("{}", answer.text(session.deployment()));
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// A device, a host or a link that there is none of; as [`Session::summary`].
    pub fn what_if(
        &self,
        alternatives: &[Alternative],
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<WhatIf, Error> {
        let began = Instant::now();
        // Names are looked up before anything is solved.
        let changed: Vec<Result<Self, String>> =
            alternatives.iter().map(|one| self.changed(&one.what)).collect::<Result<_, _>>()?;
        let mut left = 1 + changed.iter().filter(|question| question.is_ok()).count();
        let mut serve = |question: &Self, progress: &mut dyn Progress| {
            let time = task.limits.time.map(|time| time.saturating_sub(began.elapsed()));
            let time = time.map(|time| time / u32::try_from(left).unwrap_or(u32::MAX).max(1));
            left = left.saturating_sub(1);
            let limits = Limits { time, ..task.limits };
            question.served(&Task { limits, ..*task }, progress)
        };
        let today = serve(self, progress)?;
        progress.phase(Phase::AskingChanges);
        let mut tried = Vec::new();
        for (alternative, question) in alternatives.iter().zip(changed) {
            let served = match question {
                Ok(question) => Ok(serve(&question, &mut crate::Quiet)?),
                Err(problem) => Err(problem),
            };
            let gained = served.as_ref().ok().and_then(|served| served.gained(&today));
            tried.push(Tried { alternative: alternative.clone(), served, gained });
        }
        let by_price = !tried.is_empty() && tried.iter().all(|one| one.alternative.price.is_some());
        let key = |one: &Tried| if by_price { one.gained_per_price() } else { one.gained };
        tried.sort_by(|a, b| key(b).unwrap_or(f64::MIN).total_cmp(&key(a).unwrap_or(f64::MIN)));
        Ok(WhatIf { today, tried, by_price })
    }

    fn served(&self, task: &Task<'_>, progress: &mut dyn Progress) -> Result<Served, Error> {
        let (outcome, _) = answer(self.deployment(), task, progress);
        let plan = outcome.plan.as_ref().filter(|_| outcome.cost().is_some());
        let summary = plan.map(|plan| self.summary(plan)).transpose()?.unwrap_or_default();
        let rates: Option<Vec<f64>> = summary.iter().map(|one| one.decode_tokens_per_s).collect();
        let tokens_per_s = rates.filter(|rates| !rates.is_empty()).map(|rates| rates.iter().sum());
        let first_token = summary.iter().map(|one| one.first_token_ns).max();
        Ok(Served { outcome, tokens_per_s, first_token })
    }

    /// The question with other machines or links; the inner error is one that belongs to that
    /// question alone.
    fn changed(&self, what: &What) -> Result<Result<Self, String>, Error> {
        let refused =
            |problem: String| Error::from(InputError::key("command line", "what-if", problem));
        let Some(inputs) = self.inputs() else {
            let What::Less(name) = what else {
                let problem = "an instance file has times, no machines and links; only `-NAME` \
                               can be asked of it";
                return Err(refused(problem.into()));
            };
            let left = self.without(std::slice::from_ref(name)).map_err(refused)?;
            return Ok(left.map(|left| left.session).map_err(|error| error.to_string()));
        };
        let cluster = &inputs.cluster;
        let file = match what {
            What::More { host, device } => cluster.with_device(host.as_deref(), device),
            What::Links { ends, bandwidth } => cluster.with_links(ends.as_deref(), *bandwidth),
            What::Less(name) => {
                cluster.without(std::slice::from_ref(name)).map(|remaining| remaining.file)
            }
        };
        Ok(self.on_file(file.map_err(refused)?).map_err(|error| error.to_string()))
    }
}

impl Served {
    /// What is gained over another plan; see [`Tried::gained`].
    fn gained(&self, today: &Self) -> Option<f64> {
        let cost = self.outcome.cost()?;
        match (self.tokens_per_s, today.tokens_per_s, today.outcome.cost()) {
            (Some(rate), before, _) => Some(rate - before.unwrap_or_default()),
            (None, _, Some(before)) => {
                Some(100.0 * (1.0 - cost.as_f64() / before.as_f64().max(1.0)))
            }
            (None, _, None) => None,
        }
    }

    fn gap(&self) -> Option<f64> {
        Some(gap(self.outcome.cost()?, self.outcome.lower_bound()?))
    }
}

/// Field names are stable keys.
#[derive(Serialize)]
struct WhatIfKeys<'a> {
    today: ServedKeys,
    ranked_by: &'static str,
    alternatives: Vec<TriedKeys<'a>>,
}

#[derive(Serialize)]
struct ServedKeys {
    verdict: &'static str,
    #[serde(flatten)]
    cost: CostKey,
    gap: Option<f64>,
    decode_tokens_per_s: Option<f64>,
    first_token_ns: Option<Nanos>,
}

#[derive(Serialize)]
struct TriedKeys<'a> {
    change: &'a str,
    price: Option<f64>,
    #[serde(flatten)]
    served: Option<ServedKeys>,
    reason: Option<&'a str>,
    gained: Option<f64>,
    gained_per_price: Option<f64>,
}

impl WhatIf {
    /// Whether any question has a plan.
    ///
    /// See [`Session::what_if`] for an example.
    pub fn found(&self) -> bool {
        self.all().any(|served| served.outcome.cost().is_some())
    }

    /// Whether some answer contradicts itself.
    ///
    /// See [`Session::what_if`] for an example.
    pub fn wrong(&self) -> bool {
        self.all().any(|served| served.outcome.verdict.is_wrong())
    }

    fn all(&self) -> impl Iterator<Item = &Served> {
        let tried = self.tried.iter().filter_map(|one| one.served.as_ref().ok());
        std::iter::once(&self.today).chain(tried)
    }

    fn unit(&self) -> &'static str {
        match self.all().any(|served| served.tokens_per_s.is_some()) {
            true => "tokens/s",
            false => "percent of today's cost",
        }
    }

    /// The answer for programs, under stable keys.
    ///
    /// See [`Session::what_if`] for an example.
    pub fn keys<'a>(&'a self, deployment: &Deployment) -> impl Serialize + use<'a> {
        let objective = deployment.objective;
        let served = |served: &Served| ServedKeys {
            verdict: served.outcome.verdict.word(),
            cost: CostKey::new(objective, served.outcome.cost()),
            gap: served.gap(),
            decode_tokens_per_s: served.tokens_per_s,
            first_token_ns: served.first_token,
        };
        let tried = |one: &'a Tried| TriedKeys {
            change: &one.alternative.name,
            price: one.alternative.price,
            served: one.served.as_ref().ok().map(served),
            reason: one.served.as_ref().err().map(String::as_str),
            gained: one.gained,
            gained_per_price: one.gained_per_price(),
        };
        WhatIfKeys {
            today: served(&self.today),
            ranked_by: if self.by_price { "gained_per_price" } else { "gained" },
            alternatives: self.tried.iter().map(tried).collect(),
        }
    }

    /// The answer for people.
    ///
    /// See [`Session::what_if`] for an example.
    pub fn text(&self, deployment: &Deployment) -> String {
        let amount = |cost: Cost| deployment.objective.amount(cost);
        let cells = |served: &Served| {
            [
                or_dash(served.outcome.cost().map(amount)),
                or_dash(served.tokens_per_s.map(|rate| format!("{rate:.2}"))),
                or_dash(served.first_token),
                served.outcome.verdict.word().to_owned(),
                or_dash(served.gap().map(|gap| format!("{:.2} %", 100.0 * gap))),
            ]
        };
        let row = |one: &Tried| {
            let none = || ["-", "-", "-", "impossible", "-"].map(str::to_owned);
            let served = one.served.as_ref().map_or_else(|_| none(), cells);
            let gained = or_dash(one.gained.map(|gained| format!("{gained:+.2}")));
            let per = or_dash(one.gained_per_price().map(|gained| format!("{gained:+.4}")));
            [vec![one.alternative.name.clone()], served.to_vec(), vec![gained, per]].concat()
        };
        let mut today = [vec!["today".to_owned()], cells(&self.today).to_vec()].concat();
        today.extend(["-".to_owned(), "-".to_owned()]);
        let columns =
            ["change", "cost>", "tokens/s>", "TTFT>", "verdict", "gap>", "gained>", "per price>"];
        let mut rows = vec![today];
        rows.extend(self.tried.iter().map(row));
        let mut table = Table::new(columns).with_rows(rows);
        if self.tried.iter().all(|one| one.alternative.price.is_none()) {
            table.columns.pop();
            table.rows.iter_mut().for_each(|row| drop(row.pop()));
        }
        let per = if self.by_price { " per unit of money" } else { "" };
        let mut lines = vec![table.to_string()];
        lines.push(format!("ranked by {} gained{per}", self.unit()));
        let reason = |one: &Tried| {
            let problem = one.served.as_ref().err()?;
            Some(format!("{}: {problem}", one.alternative.name))
        };
        lines.extend(self.tried.iter().filter_map(reason));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_read_and_others_refused_with_what_is_allowed() {
        let what = |text: &str| text.parse::<Alternative>().map(|one| (one.what, one.price));
        let more = |host: Option<&str>, device: &str| What::More {
            host: host.map(str::to_owned),
            device: device.to_owned(),
        };
        assert_eq!(what("+l4-24"), Ok((more(None, "l4-24"), None)));
        assert_eq!(what("+catalog:l4-24"), Ok((more(None, "l4-24"), None)));
        assert_eq!(what("+pc:l4-24@9.5"), Ok((more(Some("pc"), "l4-24"), Some(9.5))));
        assert_eq!(what("-mini"), Ok((What::Less("mini".into()), None)));
        let links = |ends: Option<&str>| What::Links {
            ends: ends.map(str::to_owned),
            bandwidth: Bandwidth(10_000_000_000),
        };
        assert_eq!(what("link=10 Gbit/s @ 40"), Ok((links(None), Some(40.0))));
        assert_eq!(what("a-b=10 Gbit/s"), Ok((links(Some("a-b")), None)));
        for (text, expected) in [
            ("rtx-3090-24", "`+DEVICE`"),
            ("+l4-24@cheap", "a price above 0"),
            ("+l4-24@-1", "a price above 0"),
            ("+l4-24@inf", "a price above 0"),
            ("link=10 GHz", "`940 Mbit/s`"),
            ("link=0 Gbit/s", "more than that is needed"),
        ] {
            let error = what(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
