//! Long work without the interpreter's lock, which Ctrl-C ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

use crate::errors::exception;

/// How often Python is asked for signals.
const PATIENCE: Duration = Duration::from_millis(50);

/// Does this on a thread of its own, while other threads of Python run. A signal handler that
/// raises, as Ctrl-C's does, sets the flag that the work is given; what was raised is returned
/// once the work has ended.
///
/// # Errors
/// What a signal handler raises, else what the work returns.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> anyhow::Result<T> + Send,
) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    let (sender, mut receiver) = channel::<()>();
    let (result, raised) = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // Dropped when the work has ended, by a panic as well.
            let _sender = sender;
            work(&stop)
        });
        let mut raised = None;
        while is_waiting(py, &mut receiver) {
            if let Err(error) = py.check_signals() {
                stop.store(true, Ordering::Relaxed);
                raised = Some(error);
            }
        }
        (worker.join(), raised)
    });
    match (result, raised) {
        (_, Some(error)) => Err(error),
        (Ok(result), None) => result.map_err(|error| exception(py, &error)),
        (Err(panic), None) => std::panic::resume_unwind(panic),
    }
}

/// Whether the sender still lives after a moment's waiting.
fn is_waiting(py: Python<'_>, receiver: &mut std::sync::mpsc::Receiver<()>) -> bool {
    py.detach(move || receiver.recv_timeout(PATIENCE)) == Err(RecvTimeoutError::Timeout)
}
