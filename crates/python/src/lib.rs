//! The Python module `edgeplan._edgeplan`. Questions and answers cross as JSON and as the words of
//! the command line, so that there is one meaning of each; `python/edgeplan` makes keyword
//! arguments and dictionaries of them.

use pyo3::prelude::*;

mod errors;
mod functions;
mod session;
mod solver;
mod wait;

/// Plans which device runs each layer of a large language model, and in which quantization format.
#[pymodule(name = "_edgeplan")]
mod native {
    #[pymodule_export]
    use crate::functions::{fit, load_curves, load_records, main, schedule, solvers};
    #[pymodule_export]
    use crate::session::Session;
}
