//! The devices of this machine: accelerators as their vendors' tools name them, the processor, and
//! main memory.
//!
//! A name becomes an entry of the catalog where all words of the entry are words of the name. A
//! processor that the catalog lacks becomes a device file of estimates; an accelerator that it
//! lacks is named in a note, and left out.

mod cards;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use edgeplan_files::quantity::Memory;
use edgeplan_measure::machine::Machine;
use edgeplan_problem::Bytes;

use crate::device::{Backend, Device, Status, catalog};

/// A machine, as far as it says what it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// Accelerators by name in the catalog, in the order of their tools.
    pub accelerators: Vec<String>,
    /// The processor by name in the catalog, or else its estimates. None where an accelerator
    /// shares its memory with it.
    pub processor: Option<Processor>,
    /// Main memory.
    pub memory: Bytes,
    /// The accelerators' slot, such as `pcie-4x16`; none where the system does not report it.
    pub slot: Option<String>,
    /// What was not found out, for people.
    pub notes: Vec<String>,
}

/// A processor.
#[derive(Debug, Clone, PartialEq)]
pub enum Processor {
    /// An entry of the catalog.
    Known(String),
    /// Estimates for one that the catalog lacks, in the form of a device file.
    Estimated(Box<Device>),
}

/// What a processor that the catalog lacks is called in a cluster file.
const OWN: &str = "this-processor";

impl Detected {
    /// This machine. Asks `nvidia-smi` and `rocm-smi` where they are installed, or else
    /// `vulkaninfo` and the kernel.
    pub fn here() -> Self {
        let machine = Machine::here();
        let nvidia = output(
            "nvidia-smi",
            &[
                "--query-gpu=name,memory.total,pcie.link.gen.max,pcie.link.width.max",
                "--format=csv,noheader,nounits",
            ],
        );
        let amd = output("rocm-smi", &["--showproductname", "--showmeminfo", "vram", "--csv"]);
        let others = || {
            let known = cards::vulkan(&output("vulkaninfo", &[]).unwrap_or_default());
            if known.is_empty() { cards::sysfs(Path::new("/sys/class/drm")) } else { known }
        };
        Self::of(&machine, [nvidia.as_deref(), amd.as_deref()], others, bandwidth)
    }

    /// What these outputs of vendors' tools say; `others` only where they say nothing, `bandwidth`
    /// only for a processor that the catalog lacks, in 1e9 bytes per second.
    fn of(
        machine: &Machine,
        [nvidia, amd]: [Option<&str>; 2],
        others: impl FnOnce() -> Vec<cards::Card>,
        bandwidth: impl FnOnce(u32) -> f64,
    ) -> Self {
        let memory = Bytes(machine.memory_bytes);
        let mut found = Self {
            accelerators: Vec::new(),
            processor: None,
            memory,
            slot: None,
            notes: Vec::new(),
        };
        if let Some(name) = known(&machine.processor, gib(machine.memory_bytes), is_unified) {
            found.accelerators.push(name);
            return found;
        }
        found.take_nvidia(nvidia.unwrap_or_default());
        found.take_amd(amd.unwrap_or_default());
        if found.accelerators.is_empty() && found.notes.is_empty() {
            others().iter().for_each(|(name, memory)| found.take(name, *memory));
        }
        let is_cpu = |device: &Device| device.backend == Some(Backend::Cpu) && !device.unified;
        found.processor =
            Some(match known(&machine.processor, gib(machine.memory_bytes), is_cpu) {
                Some(name) => Processor::Known(name),
                None => {
                    let estimates = estimated(machine, bandwidth(machine.threads));
                    found.notes.push(format!(
                        "the catalog lacks the processor `{}`; its speed is estimated, `edgeplan \
                     profile` measures it",
                        machine.processor
                    ));
                    Processor::Estimated(Box::new(estimates))
                }
            });
        found
    }

    /// Lines of `nvidia-smi`: name, MiB, generation and width of the slot.
    fn take_nvidia(&mut self, text: &str) {
        for line in text.lines() {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let [name, mebibytes, slot @ ..] = &cells[..] else { continue };
            let Ok(mebibytes) = mebibytes.parse::<f64>() else { continue };
            if let [generation, width] = slot
                && generation.parse::<u32>().is_ok_and(|g| (1..=5).contains(&g))
                && width.parse::<u32>().is_ok()
            {
                self.slot.get_or_insert_with(|| format!("pcie-{generation}x{width}"));
            }
            self.take(name, mebibytes / 1024.0);
        }
    }

    /// Lines of `rocm-smi`'s tables: a header that names columns, a line per card.
    fn take_amd(&mut self, text: &str) {
        let mut lines = text.lines().filter(|line| line.contains(','));
        let Some(header) = lines.next() else { return };
        let column = |words: &[&str]| {
            let has = |cell: &str| words.iter().all(|word| cell.to_lowercase().contains(word));
            header.split(',').position(has)
        };
        let (name, bytes) = (column(&["card", "series"]), column(&["vram", "total", "memory"]));
        for line in lines {
            let cell = |at: Option<usize>| line.split(',').nth(at?).map(str::trim);
            let (Some(name), Some(bytes)) = (cell(name), cell(bytes)) else { continue };
            let Ok(bytes) = bytes.parse::<f64>() else { continue };
            self.take(name, bytes / f64::from(1 << 30));
        }
    }

    fn take(&mut self, name: &str, memory_gib: f64) {
        let is_gpu = |device: &Device| device.backend.is_some_and(|backend| !backend.is_cpu());
        match known(name, memory_gib, is_gpu) {
            Some(known) => self.accelerators.push(known),
            None => self.notes.push(format!(
                "the catalog lacks the accelerator `{name}` with {memory_gib:.0} GiB; it is left \
                 out"
            )),
        }
    }

    /// Main memory as files state it; none where an accelerator shares it.
    fn ram(&self) -> Option<String> {
        let whole_mebibytes = self.memory.0 >> 20 << 20;
        self.processor.as_ref().map(|_| Memory(whole_mebibytes).to_string())
    }

    /// The `cluster.toml` of this machine, commented.
    pub fn cluster_toml(&self) -> String {
        let mut text = String::from(
            "# This machine, as `edgeplan init` found it. Numbers of its devices: `edgeplan \
             inspect device NAME`.\nsource = \"pc\"\n\n[host.pc]\ndevices = [\n",
        );
        for name in &self.accelerators {
            let _ = writeln!(text, "    \"catalog:{name}\",");
        }
        match &self.processor {
            Some(Processor::Known(name)) => {
                let _ = writeln!(text, "    \"catalog:{name}\",");
            }
            Some(Processor::Estimated(_)) => {
                let _ = writeln!(text, "    \"cluster:{OWN}\",");
            }
            None => {}
        }
        text.push_str("]\n");
        if let Some(ram) = self.ram() {
            let _ = writeln!(text, "ram = \"{ram}\"");
        }
        if !self.accelerators.is_empty() && self.processor.is_some() {
            let _ = match &self.slot {
                Some(slot) => writeln!(text, "internal = \"{slot}\""),
                None => {
                    writeln!(text, "# internal = \"pcie-4x16\"  # not found out; this is taken")
                }
            };
        }
        if let Some(Processor::Estimated(device)) = &self.processor {
            let table = toml::to_string(device).expect("a device is a table");
            let _ = write!(text, "\n[profile.{OWN}]\n{table}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "# {note}");
        }
        text.push_str(
            "\n# Another machine, and the link to it (`edgeplan profile --link` measures one):\n\
             # [device.laptop]\n# profile = \"catalog:apple-m4-24\"\n#\n# [[link]]\n\
             # between = [\"pc\", \"laptop\"]\n# bandwidth = \"1 Gbit/s\"\n\
             # latency = \"0.5 ms\"\n",
        );
        text
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn is_unified(device: &Device) -> bool {
    device.unified
}

/// The entry of the catalog all of whose words are words of a name, its memory aside; the one with
/// the most words, then with the nearest memory.
fn known(name: &str, memory_gib: f64, wanted: impl Fn(&Device) -> bool) -> Option<String> {
    let lower = name.to_lowercase().replace("(r)", " ").replace("(tm)", " ");
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let matched = |(entry, device): (&String, &Device)| {
        let gib = device.memory().as_f64() / f64::from(1 << 30);
        let mut parts: Vec<&str> = entry.split('-').collect();
        let sized = parts.last().is_some_and(|last| last.parse() == Ok(gib.round() as u64));
        if sized {
            parts.pop();
        }
        let all = !parts.is_empty() && parts.iter().all(|part| words.contains(part));
        // A card has one size; a processor as many as there are modules.
        let fits =
            !sized || (gib - memory_gib).abs() <= 0.1 * gib || device.backend == Some(Backend::Cpu);
        let digits = parts.iter().any(|part| part.chars().any(|c| c.is_ascii_digit()));
        (all && fits && digits).then(|| (parts.len(), -(gib - memory_gib).abs(), entry.clone()))
    };
    let entries = catalog().iter().filter(|(_, device)| wanted(device)).filter_map(matched);
    let best = entries.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    best.map(|(_, _, entry)| entry)
}

/// Half of what a core with 256-bit fused multiply-add reaches at 3.5 GHz (2 x 2 x 8 operations a
/// cycle): what quantized kernels of llama.cpp make of it. An estimate, and a file says so.
const CORE_TFLOPS: f64 = 0.056;

fn estimated(machine: &Machine, bandwidth_gb_s: f64) -> Device {
    Device {
        memory_gb: None,
        memory_gib: Some((gib(machine.memory_bytes) * 10.0).round() / 10.0),
        usable_percent: 90.0,
        bandwidth_gb_s: (bandwidth_gb_s * 10.0).round().max(1.0) / 10.0,
        tflops: (f64::from(machine.cores) * CORE_TFLOPS * 1000.0).round() / 1000.0,
        source: format!("memory read for a moment on {}; operations by cores", machine.processor),
        status: Status::Estimated,
        backend: Some(Backend::Cpu),
        class: None,
        unified: false,
        layer_overhead_us: None,
        speed: Vec::new(),
        rate: Vec::new(),
    }
}

/// How long memory is read.
const READING: Duration = Duration::from_millis(200);
/// Larger than any cache of a thread's share.
const ELEMENTS: usize = 8 << 20;

/// 1e9 bytes per second that this many threads read together.
fn bandwidth(threads: u32) -> f64 {
    let read = || {
        let values = vec![1_u64; ELEMENTS];
        let (began, mut bytes, mut sum) = (Instant::now(), 0, 0_u64);
        while began.elapsed() < READING {
            sum = sum.wrapping_add(values.iter().fold(0, |sum, value| sum ^ value));
            bytes += size_of_val(&values[..]);
        }
        std::hint::black_box(sum);
        bytes as f64 / began.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads.min(16)).map(|_| scope.spawn(read)).collect();
        readers.into_iter().filter_map(|reader| reader.join().ok()).sum::<f64>() / 1e9
    })
}

/// What a program prints; none where it is not installed or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;

    fn machine(processor: &str, memory_gib: u64) -> Machine {
        Machine { processor: processor.into(), memory_bytes: memory_gib << 30, ..Machine::here() }
    }

    fn detected(processor: &str, memory_gib: u64, nvidia: &str) -> Detected {
        Detected::of(&machine(processor, memory_gib), [Some(nvidia), None], Vec::new, |_| 40.0)
    }

    #[test]
    fn names_of_vendors_become_entries() {
        let cases = [
            ("AMD Ryzen 9 5900X 12-Core Processor", "ryzen-9-5900x"),
            ("Intel(R) Core(TM) i9-14900K", "core-i9-14900k"),
            ("AMD EPYC 7763 64-Core Processor", "epyc-7763"),
            ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "xeon-e5-2680-v4"),
        ];
        for (name, entry) in cases {
            let found = detected(name, 64, "");
            assert_eq!(found.processor, Some(Processor::Known(entry.into())), "{name}");
            assert!(found.notes.is_empty(), "{:?}", found.notes);
        }
    }

    #[test]
    fn cards_are_found_with_their_memory_and_slot() {
        let two = "NVIDIA GeForce RTX 3090, 24576, 4, 16\nNVIDIA GeForce RTX 3060, 12288, 4, 8\n";
        let found = detected("AMD Ryzen 9 5900X 12-Core Processor", 64, two);
        assert_eq!(found.accelerators, ["rtx-3090-24", "rtx-3060-12"]);
        assert_eq!(found.slot.as_deref(), Some("pcie-4x16"));
        let strange = detected("AMD Ryzen 9 5900X", 64, "NVIDIA Quadro Zebra, 3000, 3, 16\n");
        assert!(strange.accelerators.is_empty() && strange.notes[0].contains("Quadro Zebra"));
        let amd =
            "device,Card Series,VRAM Total Memory (B)\ncard0,Radeon RX 7900 XTX,25753026560\n";
        let found =
            Detected::of(&machine("AMD Ryzen 9 5900X", 64), [None, Some(amd)], Vec::new, |_| 40.0);
        assert_eq!(found.accelerators, ["rx-7900-xtx-24"], "{:?}", found.notes);
        // Without its tool, the same card.
        let others = || vec![("AMD Radeon RX 7900 XTX (RADV NAVI31)".to_owned(), 23.98)];
        let found = Detected::of(&machine("AMD Ryzen 9 5900X", 64), [None; 2], others, |_| 40.0);
        assert_eq!(found.accelerators, ["rx-7900-xtx-24"], "{:?}", found.notes);
    }

    #[test]
    fn an_apple_is_one_device_with_its_memory() {
        let found = detected("Apple M4", 24, "");
        assert_eq!((&found.accelerators[..], found.processor), (&["apple-m4-24".into()][..], None));
        assert_eq!(detected("Apple M4 Pro", 48, "").accelerators, ["apple-m4-pro-48"]);
    }

    #[test]
    fn what_is_written_is_read() {
        let nvidia = "NVIDIA GeForce RTX 3090, 24576, 4, 16";
        for (processor, nvidia, devices) in [
            ("Zebra 9", "", 1),
            ("Zebra 9", nvidia, 2),
            ("Ryzen 9 5900X", nvidia, 2),
            ("Apple M4", "", 1),
        ] {
            let found = detected(processor, 24, nvidia);
            let cluster = Cluster::parse("cluster.toml", &found.cluster_toml()).unwrap();
            assert_eq!(cluster.devices.len(), devices, "{}", found.cluster_toml());
            for device in 0..devices {
                let usable = cluster.devices[device].1.usable(cluster.profile(device).unwrap());
                assert!(usable > Bytes(8 << 30), "{usable}");
            }
        }
    }

    #[test]
    fn an_unknown_processor_is_estimated_and_says_so() {
        let found = Detected::of(&machine("Zebra 9", 64), [None; 2], Vec::new, bandwidth);
        let Some(Processor::Estimated(device)) = &found.processor else { panic!("{found:?}") };
        assert!(device.bandwidth_gb_s > 0.1 && device.tflops > 0.0, "{device:?}");
        assert_eq!(device.status, Status::Estimated);
        assert!(found.notes.iter().any(|note| note.contains("`Zebra 9`; its speed is estimated")));
    }
}
