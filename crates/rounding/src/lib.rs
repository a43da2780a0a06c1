//! LP relaxation, rounding and repair
