//! Limits and use of memory and processor, and the end of processes, where the system can tell
//! (Unix).

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

/// Limits the processor time of this process, and of each that it starts, to whole seconds upward;
/// and the core dump that a crash would leave to nothing.
#[cfg(unix)]
pub(crate) fn limit_cpu(seconds: f64) -> Result<(), String> {
    use nix::sys::resource::{Resource, setrlimit};
    if !(seconds.is_finite() && seconds > 0.0) {
        return Err(format!("{seconds}; a positive number of seconds is needed"));
    }
    let whole = seconds.ceil() as u64;
    // The first limit is a signal with a name of its own, the second one a plain kill.
    setrlimit(Resource::RLIMIT_CPU, whole, whole.saturating_add(1))
        .and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0))
        .map_err(|error| format!("{seconds} s: cannot be set: {error}"))
}

#[cfg(not(unix))]
pub(crate) fn limit_cpu(_seconds: f64) -> Result<(), String> {
    Ok(())
}

/// The cores that this process may use.
///
/// # Errors
/// When the system cannot tell.
#[cfg(target_os = "linux")]
pub(crate) fn cores() -> Result<Vec<usize>, String> {
    use nix::sched::{CpuSet, sched_getaffinity};
    let allowed = sched_getaffinity(nix::unistd::Pid::from_raw(0))
        .map_err(|error| format!("cores cannot be told: {error}"))?;
    Ok((0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).collect())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cores() -> Result<Vec<usize>, String> {
    Err("trials can be kept on cores on Linux only".into())
}

/// Keeps this process, and those that it starts, on these cores; on any where there are none.
///
/// # Errors
/// A core that this process may not use.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cores: &[usize]) -> Result<(), String> {
    use nix::sched::{CpuSet, sched_setaffinity};
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    let all = cores.iter().try_for_each(|&core| set.set(core));
    all.and_then(|()| sched_setaffinity(nix::unistd::Pid::from_raw(0), &set))
        .map_err(|error| format!("{cores:?}: cannot be kept on: {error}"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(cores: &[usize]) -> Result<(), String> {
    match cores {
        [] => Ok(()),
        _ => Err("trials can be kept on cores on Linux only".into()),
    }
}

/// Seconds of processor time of this process and of those that it started and waited for.
#[cfg(unix)]
pub(crate) fn cpu_time() -> Option<f64> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;
    let of = |who| {
        let usage = getrusage(who).ok()?;
        let microseconds =
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Some(microseconds as f64 / 1e6)
    };
    Some(of(UsageWho::RUSAGE_SELF)? + of(UsageWho::RUSAGE_CHILDREN)?)
}

#[cfg(not(unix))]
pub(crate) fn cpu_time() -> Option<f64> {
    None
}

/// Lets this process be killed when the one that started it is gone, even by `kill -9` (Linux;
/// elsewhere its limits end it).
pub(crate) fn die_with_parent() {
    #[cfg(target_os = "linux")]
    {
        // Without it the limits end the process, later.
        let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    }
}

/// The most memory that this process, or one that it started and waited for, ever had resident.
#[cfg(unix)]
pub(crate) fn peak_memory() -> Option<Bytes> {
    use nix::sys::resource::{UsageWho, getrusage};
    // Apple systems count in bytes, all others in KiB.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    let peak = |who| getrusage(who).ok().and_then(|usage| u64::try_from(usage.max_rss()).ok());
    let most = peak(UsageWho::RUSAGE_SELF).max(peak(UsageWho::RUSAGE_CHILDREN))?;
    Some(Bytes(most * unit))
}

#[cfg(not(unix))]
pub(crate) fn peak_memory() -> Option<Bytes> {
    None
}

/// Puts the process into a group of its own: a terminal's Ctrl-C goes to the process that started
/// it, and it can be killed with all that it starts.
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
