//! Plans and records as pictures and pages; it never runs a solver.
