//! Limits and use of memory, and the end of processes, where the system can tell (Unix).

use std::process::{Child, Command};

use edgeplan_problem::Bytes;

/// Limits the address space of this process and of those that it starts.
#[cfg(unix)]
pub(crate) fn limit_memory(memory: Bytes) -> Result<(), String> {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_AS, memory.0, memory.0)
        .map_err(|error| format!("{memory}: cannot be set: {error}"))
}

#[cfg(not(unix))]
pub(crate) fn limit_memory(_memory: Bytes) -> Result<(), String> {
    Ok(())
}

/// The most memory that this process, or one that it started and waited for, ever had resident.
#[cfg(unix)]
pub(crate) fn peak_memory() -> Option<Bytes> {
    use nix::sys::resource::{UsageWho, getrusage};
    // Apple counts in bytes, everybody else in KiB.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    let peak = |who| getrusage(who).ok().and_then(|usage| u64::try_from(usage.max_rss()).ok());
    let most = peak(UsageWho::RUSAGE_SELF).max(peak(UsageWho::RUSAGE_CHILDREN))?;
    Some(Bytes(most * unit))
}

#[cfg(not(unix))]
pub(crate) fn peak_memory() -> Option<Bytes> {
    None
}

/// Puts the process into a group of its own: a terminal's Ctrl-C goes to whoever started it, and
/// it can be killed with all that it starts.
pub(crate) fn in_a_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Kills the process and its group.
pub(crate) fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Ok(group) = i32::try_from(child.id()) {
        use nix::sys::signal::{Signal, killpg};
        // Already gone is as good as killed.
        let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
