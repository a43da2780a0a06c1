//! The backends by which engines compute, and their names in files and engines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The library by which an engine computes on a device.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Processor cores, with main memory.
    Cpu,
    /// NVIDIA's CUDA.
    Cuda,
    /// AMD's ROCm (HIP).
    Rocm,
    /// Vulkan, on cards of any maker.
    Vulkan,
    /// SYCL (Intel's oneAPI).
    Sycl,
    /// Apple's Metal.
    Metal,
    /// A server of llama.cpp's RPC protocol that the host uses as its own accelerator, so that
    /// parts of one block may lie there and in RAM.
    Rpc,
}

impl Backend {
    /// The word that files use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Vulkan => "vulkan",
            Self::Sycl => "sycl",
            Self::Metal => "metal",
            Self::Rpc => "rpc",
        }
    }

    /// Whether it computes on the processor: its memory is the host's RAM.
    pub fn is_cpu(self) -> bool {
        self == Self::Cpu
    }
}
