//! Exact integer programs of every problem, on any engine
