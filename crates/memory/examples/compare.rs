//! Makes `reports/memory`: ours against llama.cpp's dry run.
//! `compare FOLDER_OF_PROGRAMS FOLDER_TO_WRITE`, or `compare --again FOLDER`, which computes our
//! half of a record again and keeps the engine's.

use std::fmt::Write as _;
use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_memory::record::{Row, rows};
use edgeplan_memory::{Engine, Placement, dry_run, estimate, runnable};
use edgeplan_model::{Allocation, LayerSpec};
use edgeplan_problem::format::Format;

const CONTEXTS: [u64; 3] = [4096, 32_768, 131_072];
const FORMATS: [Format; 2] = [Format::F16, Format::Q8_0];
/// More layers than any model has.
const ALL: u64 = 1000;

/// Models of as many architectures as there are headers for, and how their matrices are stored.
const MODELS: [(&str, &str); 34] = [
    ("llama-3.2-1b", "q8_0"),
    ("llama-3.1-70b", "q4_K+attn_v:q6_K,ffn_down:q6_K"),
    ("smollm2-135m", "q8_0"),
    ("mixtral-8x7b", "q4_K"),
    ("llama-4-scout", "q4_K"),
    ("qwen2.5-7b", "q4_K"),
    ("qwen3-8b", "q4_K"),
    ("qwen3-30b-a3b", "q4_K"),
    ("qwen3-235b-a22b", "q3_K"),
    ("qwen3-next-80b-a3b", "q4_K"),
    ("qwen3.6-27b", "q4_K"),
    ("qwen3.6-35b-a3b", "q4_K"),
    ("gpt-oss-20b", "q8_0"),
    ("glm-4.5-air", "q8_0"),
    ("deepseek-v2-lite", "q8_0"),
    ("deepseek-v3", "q8_0"),
    ("kimi-k2", "q8_0"),
    ("minimax-m2", "q4_K"),
    ("gemma-3-270m", "q8_0"),
    ("gemma-3-12b", "q4_K"),
    ("gemma-2-9b", "q4_K"),
    ("phi-3-mini-4k", "q4_K"),
    ("phi-4", "q4_K"),
    ("command-r-35b", "q4_K"),
    ("command-r7b", "q4_K"),
    ("falcon-7b", "q8_0"),
    ("gpt-neox-20b", "q4_K"),
    ("starcoder2-7b", "q4_K"),
    ("olmo-2-7b", "q4_K"),
    ("olmoe-1b-7b", "q4_K"),
    ("granite-4.0-h-tiny", "q4_K"),
    ("nemotron-nano-9b-v2", "q8_0"),
    ("smollm3-3b", "q4_K"),
    ("lfm2-1.2b", "q4_K"),
];

fn main() -> Result<(), InputError> {
    let mut arguments = std::env::args().skip(1);
    let (programs, out) =
        (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let rows = match programs.as_str() {
        "--again" => again(&Path::new(&out).join("rows.csv"))?,
        _ => all(&Engine::in_folder(Path::new(&programs))?)?,
    };
    let failed = |error: &dyn std::fmt::Display| InputError::file(&out, error.to_string());
    let folder = Path::new(&out);
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let mut csv =
        csv::Writer::from_path(folder.join("rows.csv")).map_err(|error| failed(&error))?;
    for row in &rows {
        csv.serialize(row).map_err(|error| failed(&error))?;
    }
    csv.flush().map_err(|error| failed(&error))?;
    edgeplan_files::write_atomic(&folder.join("README.md"), &page(&rows, &out))
}

fn all(engine: &Engine) -> Result<Vec<Row>, InputError> {
    let mut rows = Vec::new();
    for (name, recipe) in MODELS {
        eprintln!("{name}");
        rows.extend(compare(engine, name, recipe)?);
    }
    Ok(rows)
}

fn again(path: &Path) -> Result<Vec<Row>, InputError> {
    let mut rows = rows(path)?;
    for row in &mut rows {
        let model = edgeplan_model::load(&format!("catalog:{}", row.model))?;
        let ours = row.computed(&model)?;
        row.weights_bytes = ours.weights.0;
        row.context_bytes = ours.context.0;
        row.compute_bytes = ours.compute.0;
    }
    Ok(rows)
}

fn compare(engine: &Engine, name: &str, recipe: &str) -> Result<Vec<Row>, InputError> {
    let spec = format!("catalog:{name}");
    let wrong = |error: String| InputError::file(&spec, error);
    let mix = recipe.parse().map_err(|error| wrong(format!("{error}")))?;
    let (shape, model) = (edgeplan_model::shape(&spec)?, edgeplan_model::load(&spec)?);
    let folder = tempfile::tempdir().map_err(|error| wrong(error.to_string()))?;
    let file = runnable(&spec, &mix, folder.path())?;
    let mut found = Vec::new();
    for context in CONTEXTS {
        for kv in FORMATS.into_iter().filter(|&format| model.caches_in(format)) {
            let mut placements = vec![(0, 0)];
            if kv == FORMATS[0] && context != CONTEXTS[1] {
                placements.push((ALL, 0));
                if model.layers.iter().any(LayerSpec::has_experts) {
                    placements.push((ALL, ALL));
                }
            }
            for (gpu_layers, cpu_moe) in placements {
                let allocation =
                    Allocation { context, keys: kv, values: kv, ..Allocation::default() };
                let placement = Placement { gpu_layers, cpu_moe };
                let ours = estimate(&model, &mix, &allocation, placement);
                let theirs = dry_run(engine, &file, &allocation, placement)?;
                let memories: &[&str] =
                    if gpu_layers > 0 { &["host", "device"] } else { &["host"] };
                for (place, memory) in memories.iter().enumerate() {
                    found.push(Row {
                        model: name.into(),
                        architecture: shape.architecture().into(),
                        recipe: recipe.into(),
                        context,
                        kv,
                        gpu_layers,
                        cpu_moe,
                        memory: (*memory).into(),
                        weights_bytes: ours[place].weights.0,
                        context_bytes: ours[place].context.0,
                        compute_bytes: ours[place].compute.0,
                        engine_weights_mib: theirs[place].weights.0 >> 20,
                        engine_context_mib: theirs[place].context.0 >> 20,
                        engine_compute_mib: theirs[place].compute.0 >> 20,
                    });
                }
            }
        }
    }
    Ok(found)
}

/// The page of a record.
fn page(rows: &[Row], out: &str) -> String {
    let mut text = format!(
        "# Memory, computed and as llama.cpp's dry run prints it\n\nHeaders of models of the \
         catalog, sparse files without weights (`edgeplan generate gguf --header-only`), loaded by \
         `llama-fit-params` of llama-cpp-python 0.3.36: on the host alone, on a device (an RPC \
         server) alone, and with experts on the host. Physical batches of 512 tokens, one \
         sequence. [`rows.csv`](rows.csv) has every row. Made by\n\n```sh\n./x memory \
         {out}\n```\n\n"
    );
    let count = |is: &dyn Fn(&&Row) -> bool| rows.iter().filter(is).count();
    let architectures: std::collections::BTreeSet<&str> =
        rows.iter().map(|row| row.architecture.as_str()).collect();
    let all = rows.len();
    let _ = writeln!(text, "| | |\n| --- | --: |");
    let _ = writeln!(text, "| architectures | {} |", architectures.len());
    let exact = count(&|row| row.is_exact());
    let _ = writeln!(text, "| weights and KV cache within 1 MiB | {exact} of {all} |");
    let near = count(&|row| row.is_near());
    let _ = writeln!(text, "| total within 1 % or 64 MiB | {near} of {all} |\n");
    text.push_str(
        "What would change this: GPUs, whose backends have compute buffers of their own; other \
         physical batches, several sequences, flash attention off; another llama.cpp.\n\n",
    );
    let far: Vec<&Row> = rows.iter().filter(|row| !row.is_near() || !row.is_exact()).collect();
    for row in &far {
        let mib = |bytes: u64| bytes >> 20;
        let _ = writeln!(
            text,
            "- {} at {} in {}, {} layers on the device, experts of {} blocks on the host, {}: {} \
             MiB of compute buffers, {} by the engine",
            row.model,
            row.context,
            row.kv,
            row.gpu_layers,
            row.cpu_moe,
            row.memory,
            mib(row.compute_bytes),
            row.engine_compute_mib
        );
    }
    let _ = writeln!(
        text,
        "\nMiB on the host alone with a cache in f16, computed / dry run:\n\n\
         | model | architecture | recipe | weights | KV at {} | at {} | at {} | compute at {} \
         | at {} | at {} |\n\
         | --- | --- | --- | --: | --: | --: | --: | --: | --: | --: |",
        CONTEXTS[0], CONTEXTS[1], CONTEXTS[2], CONTEXTS[0], CONTEXTS[1], CONTEXTS[2]
    );
    for (name, recipe) in MODELS {
        let of = |context: u64| {
            rows.iter().find(|row| {
                (row.model.as_str(), row.context, row.kv, row.gpu_layers)
                    == (name, context, Format::F16, 0)
            })
        };
        let found: Vec<&Row> = CONTEXTS.into_iter().filter_map(of).collect();
        let Some(first) = found.first() else { continue };
        let cell = |bytes: u64, mib: u64| format!("{} / {mib}", bytes >> 20);
        let mut cells = vec![cell(first.weights_bytes, first.engine_weights_mib)];
        cells.extend(found.iter().map(|row| cell(row.context_bytes, row.engine_context_mib)));
        cells.extend(found.iter().map(|row| cell(row.compute_bytes, row.engine_compute_mib)));
        let architecture = &first.architecture;
        let _ = writeln!(text, "| {name} | {architecture} | {recipe} | {} |", cells.join(" | "));
    }
    text
}
