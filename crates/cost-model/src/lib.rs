//! Timings and specifications to compute times
