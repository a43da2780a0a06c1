//! The accelerator of a machine, as the engine lists it.

use edgeplan_problem::Bytes;

use crate::programs::{EngineError, Programs};

/// Where an engine computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    /// As the engine calls it.
    pub(crate) name: String,
    pub(crate) description: String,
    /// All of it, and what was free.
    pub(crate) memory: [Bytes; 2],
}

/// The first accelerator that the engine has, as it lists them.
pub(crate) fn device(programs: &Programs<'_>) -> Result<Option<Device>, EngineError> {
    let printed = programs.run("llama-bench", &["--list-devices".into()])?;
    Ok(printed.lines().find_map(listed))
}

/// `  CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)`
fn listed(line: &str) -> Option<Device> {
    let (name, rest) = line.trim().split_once(": ")?;
    let (description, memory) = rest.rsplit_once(" (")?;
    let (all, free) = memory.strip_suffix(" MiB free)")?.split_once(" MiB, ")?;
    let bytes = |text: &str| text.parse::<u64>().ok().map(|amount| Bytes(amount << 20));
    let memory = [bytes(all)?, bytes(free)?];
    Some(Device { name: name.into(), description: description.into(), memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_with_their_memory() {
        let found = listed("  CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)").unwrap();
        assert_eq!((found.name.as_str(), found.description.as_str()), ("CUDA0", "NVIDIA H200"));
        assert_eq!(found.memory, [Bytes(143_771 << 20), Bytes(143_000 << 20)]);
        assert_eq!(listed("Available devices:"), None);
        assert_eq!(listed("  (none)"), None);
    }
}
