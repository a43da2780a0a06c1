//! What an external solver claims beside its plan.

use edgeplan_files::{InputError, check_schema, parse_json};
use edgeplan_problem::Cost;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SCHEMA: &str = "edgeplan-claim/1";

/// What an external solver claims of the instance, and counts of its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// `edgeplan-claim/1`.
    schema: String,
    /// No plan costs less: nanoseconds of the objectives latency and bottleneck, bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_bound: Option<Cost>,
    /// There is no plan.
    #[serde(default)]
    pub infeasible: bool,
    /// Nodes of its search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// Iterations of its linear programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u64>,
}

impl Claim {
    /// Reads a claim; `file` is only named in errors.
    ///
    /// # Errors
    /// Syntax, unknown keys, another schema, a bound that is no whole number.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let claim: Self = parse_json(file, text)?;
        check_schema(file, &claim.schema, SCHEMA)?;
        Ok(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_says_what_it_claims_or_is_refused() {
        let all =
            r#"{"schema": "edgeplan-claim/1", "lower_bound": 7, "nodes": 2, "iterations": 3}"#;
        let claim = Claim::parse("claim", all).unwrap();
        assert_eq!((claim.lower_bound, claim.infeasible), (Some(Cost(7)), false));
        assert_eq!((claim.nodes, claim.iterations), (Some(2), Some(3)));
        let none = Claim::parse("claim", r#"{"schema": "edgeplan-claim/1", "infeasible": true}"#);
        assert!(none.unwrap().infeasible);
        let cases = [
            ("{\"schema\": \"edgeplan-claim/1\", \"lower_bound\": 7", "claim: EOF"),
            (r#"{"schema": "edgeplan-claim/1", "lower_bound": -7}"#, "claim: lower_bound: "),
            (r#"{"schema": "edgeplan-claim/1", "lower_bound": 7.5}"#, "claim: lower_bound: "),
            (r#"{"schema": "edgeplan-claim/1", "bound": 7}"#, "claim: bound: unknown field"),
            (r#"{"schema": "edgeplan-claim/2"}"#, "`edgeplan-claim/1` is expected"),
            (r#"{"lower_bound": 7}"#, "claim: missing field `schema`"),
        ];
        for (text, expected) in cases {
            let error = Claim::parse("claim", text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
