//! What can be wrong with a plan, with the numbers that say by how much.

use std::fmt;

use crate::{Nanos, Share};

/// A broken constraint. Names, not indices, so that it can be shown as it is; requests are counted
/// from 0 in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The plan does not fit the instance: wrong number of requests, or an unknown id.
    Shape(String),
    /// The server does not host the variant.
    NotHosted {
        /// The request.
        request: usize,
        /// The server.
        server: String,
        /// Service and variant.
        variant: String,
    },
    /// The covering server has no way to the one that serves.
    Unreachable {
        /// The request.
        request: usize,
        /// Covering server.
        from: String,
        /// Serving server.
        to: String,
    },
    /// A hard demand on accuracy is missed.
    Accuracy {
        /// The request.
        request: usize,
        /// What it gets.
        accuracy: Share,
        /// What it demands.
        needed: Share,
    },
    /// A hard deadline is missed.
    Deadline {
        /// The request.
        request: usize,
        /// When it is done.
        completion: Nanos,
        /// When it must be.
        deadline: Nanos,
    },
    /// A server computes more than it can.
    Computation {
        /// The server.
        server: String,
        /// What the plan needs there.
        needed: u64,
        /// Its capacity.
        available: u64,
    },
    /// A covering server sends more than it can.
    Communication {
        /// The server.
        server: String,
        /// What the plan needs there.
        needed: u64,
        /// Its capacity.
        available: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(what) => write!(f, "the plan does not fit the instance: {what}"),
            Self::NotHosted { request, server, variant } => {
                write!(f, "request {request} is served by {server}, which does not host {variant}")
            }
            Self::Unreachable { request, from, to } => {
                write!(f, "request {request} is served by {to}, which {from} does not reach")
            }
            Self::Accuracy { request, accuracy, needed } => {
                write!(f, "request {request} gets an accuracy of {accuracy} and demands {needed}")
            }
            Self::Deadline { request, completion, deadline } => {
                write!(f, "request {request} takes {completion}, its deadline is {deadline}")
            }
            Self::Computation { server, needed, available } => {
                write!(f, "{server} computes {needed} in a frame, its capacity is {available}")
            }
            Self::Communication { server, needed, available } => {
                write!(f, "{server} sends {needed} in a frame, its capacity is {available}")
            }
        }
    }
}
