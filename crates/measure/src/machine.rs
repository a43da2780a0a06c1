//! What a measurement was made on and with: the machine and the build, as far as times depend on
//! them. No host name, nothing of a person.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use sysinfo::{
    CpuRefreshKind, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind,
    System,
};

/// Set once, by the program; so that a commit rebuilds programs, and no library.
static REVISION: OnceLock<&'static str> = OnceLock::new();

/// Says which revision this program was built from. The first call counts.
pub fn set_revision(revision: &'static str) {
    let _ = REVISION.set(revision);
}

/// The revision that this program was built from, `-dirty` where files were changed since;
/// `unknown` outside git, and in a program that did not say.
pub fn revision() -> &'static str {
    REVISION.get().copied().unwrap_or("unknown")
}

/// The machine that this process runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The processor, as its vendor calls it; `unknown` where it has no name.
    pub processor: String,
    /// Instruction sets that it has, of those that matter to kernels.
    pub features: Vec<&'static str>,
    /// Physical cores; as many as threads where the system does not tell.
    pub cores: u32,
    /// Hardware threads.
    pub threads: u32,
    /// Memory in bytes; of the control group, if it has a limit.
    pub memory_bytes: u64,
    /// Memory that could be had now.
    pub free_bytes: u64,
    /// Bytes of all last-level caches together; none where the system does not tell.
    pub cache_bytes: Option<u64>,
    /// Operating system and architecture.
    pub system: String,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted);
        let processor = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
        let processor = if processor.is_empty() { "unknown" } else { processor }.to_owned();
        let threads = system.cpus().len().max(1) as u32;
        let cores = System::physical_core_count().map_or(threads, |cores| cores as u32);
        let (mut memory_bytes, mut free_bytes) = (system.total_memory(), system.available_memory());
        if let Some(group) = system.cgroup_limits() {
            memory_bytes = memory_bytes.min(group.total_memory);
            free_bytes = free_bytes.min(group.free_memory);
        }
        let version = System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned());
        Self {
            processor,
            features: crate::features::detected(),
            cores,
            threads,
            memory_bytes,
            free_bytes,
            cache_bytes: last_level_caches(),
            system: format!("{version} {}", std::env::consts::ARCH),
        }
    }

    /// The processor's name as a word, and how many threads it has: `amd-epyc-x2`.
    pub fn name(&self) -> String {
        format!("{}-x{}", slug(&self.processor), self.threads)
    }

    /// One `key: value` a line: processor, threads, memory, operating system, revision.
    pub fn description(&self) -> String {
        format!(
            "processor: {}\nthreads: {}\nmemory_bytes: {}\nsystem: {}\nrevision: {}\n",
            self.processor,
            self.threads,
            self.memory_bytes,
            self.system,
            revision(),
        )
    }
}

/// Processes that were running or waiting to run, averaged over a minute; 0 where the system does
/// not count them.
pub fn load_average() -> f64 {
    System::load_average().one
}

/// Seconds that all cores together were busy since the machine started, with anything: programs,
/// the system, and other machines on the same hardware. None where the system does not tell (only
/// Linux does). The unit of the count is a tick, usually 10 ms.
pub fn busy_seconds() -> Option<f64> {
    #[cfg(target_os = "linux")]
    {
        use procfs::{CurrentSI as _, KernelStats};
        let total = KernelStats::current().ok()?.total;
        let other = [total.irq, total.softirq, total.steal].into_iter().flatten();
        let ticks = total.user + total.nice + total.system + other.sum::<u64>();
        Some(ticks as f64 / procfs::ticks_per_second() as f64)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Bytes of this process that are in memory; none where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    resident_bytes_of(std::process::id())
}

/// The same of the process with this id.
pub fn resident_bytes_of(process: u32) -> Option<u64> {
    let id = Pid::from_u32(process);
    let mut system = System::new();
    let wanted = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), false, wanted);
    system.process(id).map(sysinfo::Process::memory).filter(|&bytes| bytes > 0)
}

/// Today, UTC: `2026-11-21`.
pub fn date() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}

/// Linux tells the caches of each processor, level by level, and which processors share one.
fn last_level_caches() -> Option<u64> {
    let read = |cpu: usize, index: usize, key: &str| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index{index}/{key}");
        std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
    };
    let caches = (0..).map_while(|cpu| {
        let level = |index| read(cpu, index, "level")?.parse::<u32>().ok();
        let (_, last) = (0..8).filter_map(|index| Some((level(index)?, index))).max()?;
        let size = read(cpu, last, "size")?;
        let kib: u64 = size.strip_suffix('K')?.parse().ok()?;
        Some((read(cpu, last, "shared_cpu_list")?, kib << 10))
    });
    let caches: BTreeMap<String, u64> = caches.collect();
    (!caches.is_empty()).then(|| caches.values().sum())
}

/// Lower-case letters and digits, and one dash for everything between them.
fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<String> =
        words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_a_word_and_a_build_has_a_revision() {
        let name = "AMD EPYC(tm) 7B13 @ 2.4 GHz";
        assert_eq!(slug(name), "amd-epyc-tm-7b13-2-4-ghz");
        let here = Machine::here();
        assert!(here.name().chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{here:?}");
        assert!(here.description().ends_with("revision: unknown\n"));
        set_revision("1234567");
        assert!(here.description().ends_with("revision: 1234567\n"));
        assert!(here.cores >= 1 && here.free_bytes <= here.memory_bytes, "{here:?}");
    }

    #[test]
    fn memory_that_is_used_is_resident() {
        let Some(before) = resident_bytes() else { return };
        let used = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = resident_bytes().unwrap();
        assert!(after >= before + (60 << 20), "{before} {after}");
        drop(used);
    }

    #[test]
    fn work_makes_the_machine_busy() {
        let Some(before) = busy_seconds() else { return };
        let started = std::time::Instant::now();
        while started.elapsed().as_millis() < 200 {
            std::hint::black_box(0);
        }
        // Of 0.2 s on a core, half may fall to neighbours.
        assert!(busy_seconds().unwrap() > before + 0.05, "{before}");
    }

    #[test]
    fn a_date_is_year_month_day() {
        let date = date();
        let parts: Vec<usize> = date.split('-').map(str::len).collect();
        assert_eq!(parts, [4, 2, 2], "{date}");
    }
}
