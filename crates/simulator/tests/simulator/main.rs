//! What must hold of every simulation.

mod laws; // conservation: requests, servers, memory
mod pipelines; // makespans against closed formulas
mod support; // deployments and traces
