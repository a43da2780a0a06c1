//! Instruction sets that kernels choose by.

/// Those of the list that this processor has.
macro_rules! detected {
    ($test:ident: $($name:tt),*) => {{
        let mut found = Vec::new();
        $(if $test!($name) {
            found.push($name);
        })*
        found
    }};
}

/// Instruction sets by which candle, ggml and the compiler choose kernels.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(crate) fn detected() -> Vec<&'static str> {
    use std::is_x86_feature_detected as has;
    detected!(
        has: "avx", "avx2", "fma", "f16c", "avxvnni", "avx512f", "avx512bw", "avx512vl",
        "avx512vnni", "avx512bf16"
    )
}

/// Instruction sets by which candle, ggml and the compiler choose kernels.
#[cfg(target_arch = "aarch64")]
pub(crate) fn detected() -> Vec<&'static str> {
    use std::arch::is_aarch64_feature_detected as has;
    detected!(has: "neon", "dotprod", "i8mm", "fp16", "bf16", "sve")
}

/// Not detected on this architecture.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn detected() -> Vec<&'static str> {
    Vec::new()
}
