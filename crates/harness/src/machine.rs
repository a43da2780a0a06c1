//! What a measurement was made on and with.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine and the build, as far as times depend on them. No host name, nothing of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The processor's own name, as a word, and how many of its threads there are:
    /// `amd-epyc-x2`.
    pub name: String,
    /// One `key: value` a line: processor, threads, memory, operating system, revision.
    pub description: String,
}

/// The revision of this build, `-dirty` where files were changed since; `unknown` outside git.
pub const REVISION: &str = env!("EDGEPLAN_REVISION");

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted);
        let processor = system.cpus().first().map_or("", |cpu| cpu.brand().trim()).to_owned();
        let processor = if processor.is_empty() { "unknown".into() } else { processor };
        let threads = system.cpus().len();
        let description = format!(
            "processor: {processor}\nthreads: {threads}\nmemory_bytes: {}\nsystem: {} {}\n\
             revision: {REVISION}\n",
            system.total_memory(),
            System::long_os_version().unwrap_or_else(|| std::env::consts::OS.into()),
            std::env::consts::ARCH,
        );
        Self { name: format!("{}-x{threads}", slug(&processor)), description }
    }
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
        assert!(here.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{here:?}");
        assert!(here.description.contains(&format!("revision: {REVISION}\n")));
        assert!(!REVISION.is_empty());
    }
}
