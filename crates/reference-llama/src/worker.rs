//! Where passes run.

/// Runs `work` on a thread of the pool that multiplies floats. There a product keeps one part for
/// itself and wakes others for the rest; started from outside, all parts may be woken on one core,
/// which takes twice as long for as long as nothing moves them.
pub fn on_worker<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}
