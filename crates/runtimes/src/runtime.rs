//! What each engine can do, as data: the one place where that is said, with its sources.

use edgeplan_pricing::CHUNK;
use edgeplan_pricing::engine::{EngineTraits, RpcOverhead};
use edgeplan_problem::Bytes;
use edgeplan_problem::deployment::Part;
use edgeplan_problem::format::Format::{
    self, BF16, F16, F32, IQ1M, IQ1S, IQ2S, IQ2XS, IQ2XXS, IQ3S, IQ3XXS, IQ4NL, IQ4XS, MXFP4,
    NVFP4, Q1_0, Q2_0, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0, TQ1_0, TQ2_0,
};

use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::gpu_layers::GpuLayers;
use crate::{distributed_llama, exo, llama_cpp, lm_studio, mistral_rs, ollama, prima_cpp};

/// An engine that runs plans, and what it can express.
#[derive(Debug)]
pub struct Runtime {
    /// As its makers spell it.
    pub name: &'static str,
    /// Formats of the matrices in blocks and head, finest first.
    pub formats: &'static [Format],
    /// Formats of the token embedding.
    pub embedding: &'static [Format],
    /// Formats of the KV cache.
    pub kv: &'static [Format],
    /// Whether it serves GGUF files: those that are quantized already as they are; in them a tied
    /// embedding and head are one tensor, so of one format.
    pub gguf: bool,
    /// Whether it can be told of a vision projector beside the model.
    pub projectors: bool,
    /// Where blocks may lie.
    pub blocks: Blocks,
    /// Where embedding and head are.
    pub ends: Ends,
    /// How hidden states and results move.
    pub wires: Wires,
    /// What it does beside computing layers, as far as prices depend on it.
    pub engine: EngineTraits,
    /// How many devices of a host it runs.
    pub per_host: PerHost,
    /// Memory that it leaves free or needs on every device besides weights, cache and activations;
    /// a cluster's own `overhead` counts if it is larger.
    pub margin: Bytes,
    /// What else a reader of an export must know.
    pub note: &'static str,
    /// Where this is from.
    pub sources: &'static [&'static str],
    /// Writes a plan down.
    pub(crate) files: Files,
}

/// How a plan that an engine can express is written as files.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Files {
    /// By a function of a module of the engine's own.
    By(fn(&Order<'_>, &[Placed]) -> Result<Written, String>),
    /// As a script with these options.
    Options(&'static GpuLayers),
}

/// Where an engine lets blocks lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// One run of consecutive blocks per device, those of the source first.
    SourceFirst,
    /// One run of consecutive blocks per device, in any order.
    Runs,
    /// As [`Blocks::SourceFirst`], on devices of the source's host alone.
    OneHost,
    /// Any block on any device.
    Free,
    /// On one host: the first blocks on the source, its processor, the last ones on the first
    /// accelerator beside it.
    LastOnAccelerator,
    /// No block is placed on its own: every node holds a slice of each. A plan can say that only of
    /// a single node.
    OneNode,
}

/// Where an engine keeps embedding and head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The embedding on the source, the head behind the last block.
    EmbeddingAtSource,
    /// Both on the source.
    BothAtSource,
    /// Both on every device in use; the head of the last one samples.
    Everywhere,
}

/// How many devices of a host an engine runs in one plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerHost {
    /// One.
    One,
    /// Any number.
    Several,
}

/// How an engine moves what devices tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wires {
    /// Straight from device to device.
    Direct,
    /// Through the source, which also gets the logits of each step: it samples.
    ThroughSource,
}

/// What llama-quantize makes (`ggml_quantize_chunk` of ggml/src/ggml.c) and the engine reads.
const GGUF: &[Format] = &[
    F32, BF16, F16, Q8_0, Q6K, Q5K, Q5_1, Q5_0, Q4K, Q4_1, Q4_0, IQ4NL, IQ4XS, NVFP4, MXFP4, IQ3S,
    Q3K, IQ3XXS, Q2K, IQ2S, IQ2XS, Q2_0, TQ2_0, IQ2XXS, IQ1M, TQ1_0, IQ1S, Q1_0,
];

/// What an RPC server gets with every pass: a description of 296 bytes for each input and each
/// tensor of a graph (`rpc_tensor`), positions and their places in the cache, a mask in f16 over
/// all cached positions, in steps of 256 (`llama_kv_cache::get_n_kv`); graphs when they change.
/// A block's last addition has no weights and goes to the device of the next block
/// (`ggml_backend_sched_split_graph`, pass 2), so that both of its operands cross. Prompts of which
/// the source computes blocks cross twice between servers, too (`full_offload` in
/// src/llama-context.cpp), which no price of a single hop can say and is left out. Between an
/// attention on a server and experts in RAM two tensors are read one after the other: what is
/// multiplied, and the experts chosen (`build_moe_ffn` of src/llama-graph.cpp;
/// `ggml_backend_tensor_copy` waits for each). Their weights and what is added stay where the next
/// attention is; behind the last such block they are read, too, which is left out.
const RPC: RpcOverhead = RpcOverhead {
    pass: 2000,
    position: 20,
    mask: 2,
    stride: 256,
    graph: 13_500,
    reads: 2,
    states: 2,
};

/// llama.cpp places the parts of a block by `--override-tensor`, multiplies long passes on an
/// accelerator (op offload), keeps the input layer on the CPU, and has room for the logits of a
/// whole ubatch.
const LLAMA_CPP: EngineTraits = EngineTraits {
    rpc: RPC,
    parts: true,
    offload: true,
    embedding_in_ram: true,
    logits_rows: CHUNK,
    exact_cache: false,
    classes: true,
};

/// Engines that run llama.cpp's kernels on one host, in layers.
const ON_ONE_HOST: EngineTraits =
    EngineTraits { rpc: RpcOverhead::NONE, parts: false, ..LLAMA_CPP };

/// llama.cpp's kernels on one host, behind a program that takes a number of layers and spreads them
/// over accelerators itself.
const LAYERS: Runtime = Runtime {
    name: "layers",
    formats: GGUF,
    embedding: GGUF,
    kv: &[F16],
    gguf: true,
    projectors: false,
    blocks: Blocks::LastOnAccelerator,
    ends: Ends::EmbeddingAtSource,
    wires: Wires::Direct,
    engine: ON_ONE_HOST,
    per_host: PerHost::Several,
    margin: Bytes(1 << 30),
    note: "",
    sources: &[],
    files: Files::By(ollama::files),
};

/// exo with models in bf16; others differ by their formats.
const EXO: Runtime = Runtime {
    name: "exo",
    formats: &[BF16],
    embedding: &[BF16],
    kv: &[F16, BF16],
    gguf: false,
    projectors: false,
    blocks: Blocks::Runs,
    ends: Ends::Everywhere,
    wires: Wires::Direct,
    engine: EngineTraits::PLAIN,
    per_host: PerHost::One,
    margin: Bytes(0),
    note: "It runs models that were quantized for MLX beforehand, none of ggml's formats: bf16 \
           is what both know. It decides the order of its ring itself.",
    sources: &[
        "exo-explore/exo src/exo/shared/types/worker/shards.py (layers from start to before \
         end, by rank)",
        "exo-explore/exo src/exo/shared/types/api.py (instance previews, creation)",
        "exo-explore/exo src/exo/worker/engines/mlx/auto_parallel.py (only blocks are cut)",
    ],
    files: Files::By(exo::files),
};

/// The engines.
pub const RUNTIMES: &[Runtime] = &[
    Runtime {
        name: "llama.cpp",
        formats: GGUF,
        embedding: GGUF,
        kv: &[F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0, IQ4NL],
        gguf: true,
        projectors: true,
        blocks: Blocks::SourceFirst,
        ends: Ends::EmbeddingAtSource,
        wires: Wires::ThroughSource,
        engine: LLAMA_CPP,
        per_host: PerHost::Several,
        margin: Bytes(1 << 30),
        note: "Two RPC servers never talk to each other: hidden states pass through the source. \
               Run RPC servers in trusted networks only: they authenticate no client.",
        sources: &[
            "ggml-org/llama.cpp tools/rpc/README.md (servers, devices, an insecure protocol)",
            "ggml-org/llama.cpp src/llama-model.cpp load_tensors (input layer on the CPU, layers \
             and output by cumulated tensor split)",
            "ggml-org/llama.cpp ggml/src/ggml-rpc/ggml-rpc.cpp ggml_backend_rpc_buffer_cpy_tensor \
             (copies within one endpoint only)",
            "ggml-org/llama.cpp ggml/src/ggml-rpc/ggml-rpc.cpp serialize_graph and \
             ggml/src/ggml-backend.cpp ggml_backend_sched_compute_splits (inputs and graphs)",
            "ggml-org/llama.cpp src/llama-quant.cpp llama_tensor_get_type (per-tensor types)",
            "ggml-org/llama.cpp common/common.h LLM_FFN_EXPS_REGEX and common/arg.cpp \
             parse_tensor_buffer_overrides (parts of blocks, names of memories)",
            "ggml-org/llama.cpp ggml/src/ggml-cuda/ggml-cuda.cu op_offload_min_batch_size: 32",
            "ggml-org/llama.cpp common/fit.cpp (1 GiB left free on each device by default)",
        ],
        files: Files::By(llama_cpp::files),
    },
    Runtime {
        name: "mistral.rs",
        formats: &[F16, Q8_0, Q6K, Q5K, Q5_1, Q5_0, Q4K, Q4_1, Q4_0, Q3K, Q2K],
        embedding: &[F16],
        kv: &[F16],
        gguf: false,
        projectors: false,
        blocks: Blocks::Free,
        ends: Ends::BothAtSource,
        wires: Wires::Direct,
        engine: EngineTraits::PLAIN,
        per_host: PerHost::Several,
        margin: Bytes(0),
        note: "A topology names devices of one machine; every device of the cluster must be one. \
               The source is the device that the process starts on.",
        sources: &[
            "EricLBuehler/mistral.rs docs/TOPOLOGY.md and docs/ISQ.md (selectors, devices, types)",
            "mistralrs-core 0.8.1 src/topology/mod.rs (ranges, later patterns win) and \
             src/models/llama.rs (embedding, last norm and head on the device of the process)",
        ],
        files: Files::By(mistral_rs::files),
    },
    Runtime {
        name: "mistral.rs-gguf",
        formats: &[F32, BF16, F16, Q8_0, Q6K, Q5K, Q5_1, Q5_0, Q4K, Q4_1, Q4_0, Q3K, Q2K],
        embedding: &[F32, BF16, F16, Q8_0, Q6K, Q5K, Q5_1, Q5_0, Q4K, Q4_1, Q4_0, Q3K, Q2K],
        kv: &[F16],
        gguf: true,
        projectors: false,
        blocks: Blocks::Free,
        ends: Ends::BothAtSource,
        wires: Wires::Direct,
        engine: EngineTraits::PLAIN,
        per_host: PerHost::Several,
        margin: Bytes(0),
        note: "A topology names devices of one machine; every device of the cluster must be one. \
               The embedding is widened as it loads: the source needs that much more memory than \
               the file says.",
        sources: &[
            "EricLBuehler/mistral.rs docs/CLI.md (serve --format gguf -m FOLDER -f FILE)",
            "mistralrs-core 0.8.1 src/topology/mod.rs (ranges) and src/models/quantized_llama.rs \
             (embedding, last norm and head on the device of the process)",
        ],
        files: Files::By(mistral_rs::gguf_files),
    },
    Runtime {
        name: "prima.cpp",
        formats: &[Q8_0, Q6K, Q4K],
        embedding: &[Q8_0, Q6K, Q4K],
        kv: &[F16],
        gguf: true,
        projectors: false,
        blocks: Blocks::SourceFirst,
        ends: Ends::BothAtSource,
        wires: Wires::Direct,
        engine: EngineTraits::PLAIN,
        per_host: PerHost::One,
        margin: Bytes(0),
        note: "One round of its ring per token: the layer windows add up to all blocks.",
        sources: &[
            "Lizonghang/prima.cpp README.md (Q4K, Q6K, Q80; --world, --rank, --master, --next, -lw \
             in rank order, -ngl)",
            "Li et al., arXiv 2504.08791, section 3 (ring; the head device embeds and samples)",
        ],
        files: Files::By(prima_cpp::files),
    },
    Runtime {
        name: "distributed-llama",
        formats: &[Q4_0],
        embedding: &[F32],
        kv: &[F32],
        gguf: false,
        projectors: false,
        blocks: Blocks::OneNode,
        ends: Ends::BothAtSource,
        wires: Wires::Direct,
        engine: EngineTraits::PLAIN,
        per_host: PerHost::One,
        margin: Bytes(0),
        note: "On several nodes it cuts every matrix into equal slices, which no plan of layers \
               describes.",
        sources: &[
            "b4rtaz/distributed-llama README.md (2^n nodes, q40 with q80 buffers, commands)",
            "b4rtaz/distributed-llama converter/convert-hf.py (the embedding stays f32)",
        ],
        files: Files::By(distributed_llama::files),
    },
    Runtime {
        name: "ollama",
        kv: &[F16, Q8_0, Q4_0],
        note: "`num_gpu` is a number of layers and the output layer; Ollama itself spreads them \
               over several accelerators, so a plan uses one.",
        sources: &[
            "ollama/ollama docs/modelfile.md (FROM, PARAMETER num_ctx) and api/types.go (num_gpu, \
             num_batch)",
            "ollama/ollama docs/faq.md (OLLAMA_KV_CACHE_TYPE: f16, q8_0, q4_0; flash attention)",
            "it runs llama.cpp's kernels and keeps the input layer on the CPU, as llama.cpp does",
        ],
        files: Files::By(ollama::files),
        ..LAYERS
    },
    Runtime {
        name: "llamafile",
        note: "It spreads layers over several accelerators itself, so a plan uses one.",
        sources: &[
            "Mozilla-Ocho/llamafile llama.cpp/server/README.md (-m, -ngl, -c)",
            "Mozilla-Ocho/llamafile README.md (--server)",
            "it runs llama.cpp's kernels and keeps the input layer on the CPU, as llama.cpp does",
        ],
        files: Files::Options(&GpuLayers {
            program: "llamafile",
            model: "-m",
            layers: "-ngl",
            context: "-c",
            others: &["--server"],
        }),
        ..LAYERS
    },
    Runtime {
        name: "koboldcpp",
        formats: GGUF,
        embedding: GGUF,
        kv: &[F16, Q8_0, Q4_0],
        gguf: true,
        projectors: true,
        blocks: Blocks::OneHost,
        ends: Ends::EmbeddingAtSource,
        wires: Wires::Direct,
        engine: EngineTraits { rpc: RpcOverhead::NONE, ..LLAMA_CPP },
        per_host: PerHost::Several,
        margin: Bytes(1 << 30),
        note: "It runs one request at a time, on devices of one backend and their processor.",
        sources: &[
            "LostRuins/koboldcpp koboldcpp.py (--gpulayers, --tensor_split, --usecuda, \
             --usevulkan, --moecpu, --overridetensors, --contextsize 256 to 262144, --batchsize, \
             --quantkv 0 f16, 1 q8, 2 q4 with --flashattention, --useswa, --mmproj)",
            "it runs llama.cpp's kernels and keeps the input layer on the CPU, as llama.cpp does",
        ],
        files: Files::By(llama_cpp::koboldcpp::files),
    },
    Runtime {
        name: "lm-studio",
        note: "`lms load` takes a share of the layers, which LM Studio rounds to whole ones, and \
               spreads over accelerators by itself, so a plan uses one. `lms load --estimate-only` \
               says what it would allocate. The format of its cache is set in the application.",
        sources: &[
            "lmstudio.ai/docs/cli/load (--gpu 0 to 1, off or max; --context-length; --identifier; \
             --estimate-only)",
            "it runs llama.cpp's kernels and keeps the input layer on the CPU, as llama.cpp does",
        ],
        files: Files::By(lm_studio::files),
        ..LAYERS
    },
    EXO,
    Runtime {
        name: "exo-8bit",
        formats: &[Q8_0],
        embedding: &[Q8_0],
        note: "MLX's 8 bits are groups of 64 with a scale and an offset of 16 bits: as many bytes \
               as q8_0, whose loss and speed stand in for theirs. It decides the order of its ring \
               itself.",
        files: Files::By(exo::files_8bit),
        ..EXO
    },
    Runtime {
        name: "exo-4bit",
        formats: &[Q4_0],
        embedding: &[Q4_0],
        note: "MLX's 4 bits are groups of 64 with a scale and an offset of 16 bits: as many bytes \
               as q4_0, whose loss and speed stand in for theirs. It decides the order of its ring \
               itself.",
        files: Files::By(exo::files_4bit),
        ..EXO
    },
];

impl Runtime {
    /// The engine of that name.
    ///
    /// # Errors
    /// An unknown name, with all that are known.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        RUNTIMES.iter().find(|runtime| runtime.name == name).ok_or_else(|| {
            let known: Vec<&str> = RUNTIMES.iter().map(|runtime| runtime.name).collect();
            format!("no engine is called `{name}`; known are {}", known.join(", "))
        })
    }

    /// The formats that it has for the matrices of a layer.
    pub fn formats_of(&self, part: Part) -> &'static [Format] {
        if part == Part::Embedding { self.embedding } else { self.formats }
    }
}
