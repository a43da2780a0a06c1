//! A dry run of llama-quantize's rules: what `quantize.sh` makes of every tensor of a model is what
//! the plan priced (ggml-org/llama.cpp, `src/llama-quant.cpp`: `tensor_allows_quantization`,
//! `llama_tensor_get_type`, `tensor_type_fallback`).

use std::collections::BTreeMap;

use edgeplan_machines::cluster::Cluster;
use edgeplan_model::{ModelSpec, StoredType, TensorClass, TensorSpec};
use edgeplan_pricing::price;
use edgeplan_pricing::workload::{Quality, Workload};
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::{Assignment, DeviceId, OptionId, Plan};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::Recipe;
use edgeplan_runtimes::{Order, Request, Runtime, export};

/// One of each architecture of the catalog that is quantized from floats.
const MODELS: [&str; 29] = [
    "bloom-3b",
    "command-r-35b",
    "command-r7b",
    "deepseek-v2-lite",
    "falcon-7b",
    "gemma-2-9b",
    "gemma-3-4b",
    "glm-4.5-air",
    "gpt-neox-20b",
    "gpt-oss-20b",
    "granite-3.3-8b",
    "granite-4.0-h-tiny",
    "lfm2-1.2b",
    "llama-3.1-8b",
    "llama-4-scout",
    "minimax-m2",
    "mixtral-8x7b",
    "nemotron-nano-9b-v2",
    "olmo-2-7b",
    "olmoe-1b-7b",
    "phi-3-mini-4k",
    "qwen2.5-0.5b",
    "qwen3-0.6b",
    "qwen3-30b-a3b",
    "qwen3-next-80b-a3b",
    "qwen3.6-27b",
    "qwen3.6-35b-a3b",
    "smollm3-3b",
    "starcoder2-7b",
];

const PC: &str = "source = 'pc'\n[device.pc]\nprofile = 'catalog:ryzen-9-5900x'\nmemory = '4 TB'\n";

/// What a call of llama-quantize says.
#[derive(Debug, Default)]
struct Call {
    embedding: Option<String>,
    output: Option<String>,
    /// Patterns and types, the first match counting.
    types: Vec<(String, String)>,
    /// The type of whatever is not named.
    rest: String,
}

impl Call {
    /// Reads `quantize.sh`.
    fn of(script: &str) -> Self {
        let mut call = Self::default();
        for line in script.lines() {
            let line = line.trim().trim_end_matches('\\').trim();
            let Some((name, value)) = line.split_once(' ') else { continue };
            let value = value.trim_matches('\'').to_owned();
            match name {
                "--token-embedding-type" => call.embedding = Some(value),
                "--output-tensor-type" => call.output = Some(value),
                "--tensor-type" => {
                    let (pattern, kind) = value.rsplit_once('=').unwrap();
                    call.types.push((pattern.to_owned(), kind.to_owned()));
                }
                "\"$1\"" => call.rest = value.rsplit(' ').next().unwrap().to_owned(),
                _ => {}
            }
        }
        assert_eq!(call.rest, "Q8_0", "{script}");
        call
    }

    /// What it makes of a tensor; none where the type stays.
    fn made(&self, tensor: &TensorSpec) -> Option<Format> {
        if !allows(&tensor.name, tensor.rows) {
            return None;
        }
        let named = |text: &Option<String>| text.as_ref().map(|text| text.parse().unwrap());
        if ["token_embd.weight", "per_layer_token_embd.weight"].contains(&tensor.name.as_str())
            && let Some(format) = named(&self.embedding)
        {
            return Some(format);
        }
        if tensor.name == "output.weight"
            && let Some(format) = named(&self.output)
        {
            return Some(format);
        }
        let found = self.types.iter().find(|(pattern, _)| matches(pattern, &tensor.name));
        let kind = found.map_or(self.rest.as_str(), |(_, kind)| kind.as_str());
        let format: Format = kind.parse().unwrap();
        let fits = |format: &Format| tensor.row_len.is_multiple_of(format.block_elements());
        let tried = [Some(format), format.fallback(), Some(Format::F16)];
        tried.into_iter().flatten().find(fits)
    }
}

/// Whether llama-quantize touches a tensor at all.
fn allows(name: &str, rows: u64) -> bool {
    const NOT: [&str; 14] = [
        "_norm.weight",
        "ffn_gate_inp.weight",
        "altup",
        "laurel",
        "per_layer_model_proj",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "indexer.k_proj.weight",
        "indexer.q_proj.weight",
        "time_mix_lerp_fused.weight",
        "attn_rel_b.weight",
        ".position_embd",
        ".rel_pos",
        ".patch_embd",
    ];
    let kept = ["position_embd.weight", "token_types.weight"].contains(&name);
    rows > 1 && name.ends_with("weight") && !kept && !NOT.iter().any(|part| name.contains(part))
}

/// A search for a pattern of the two kinds that are written: `^blk\.(0|1)\.(a|b)\.weight$`, and
/// `a\.weight$`.
fn matches(pattern: &str, name: &str) -> bool {
    let Some(rest) = pattern.strip_prefix("^blk\\.(") else {
        let end = pattern.strip_suffix("\\.weight$").unwrap();
        assert!(!end.contains(['(', '|', '*', '+', '[']), "{pattern}");
        return name.ends_with(&format!("{}.weight", end.replace('\\', "")));
    };
    let (blocks, rest) = rest.split_once(")\\.(").unwrap();
    let classes = rest.strip_suffix(")\\.weight$").unwrap();
    let Some((block, rest)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    let class = rest.strip_suffix(".weight");
    // A dot in a class stands for any character.
    blocks.split('|').any(|known| known == block) && classes.split('|').any(|c| Some(c) == class)
}

/// `quantize.sh` of a plan that takes the recipes of each layer in turn, and these recipes.
fn quantized(model: &ModelSpec, formats: &[Format], turn: usize) -> (String, Vec<Recipe>) {
    let (files, recipes) = exported("llama.cpp", model, formats, turn);
    (files["quantize.sh"].clone(), recipes)
}

/// What is exported to an engine of a plan that takes the recipes of each layer in turn, and these
/// recipes.
fn exported(
    engine: &str,
    model: &ModelSpec,
    formats: &[Format],
    turn: usize,
) -> (BTreeMap<String, String>, Vec<Recipe>) {
    let cluster = Cluster::parse("pc.toml", PC).unwrap();
    let runtime = Runtime::find(engine).unwrap();
    let quality = Some(Quality::Any);
    let asked = Workload { formats: formats.to_vec(), quality, ..Workload::default() };
    let served = runtime.within(&asked).unwrap();
    let open = price(std::slice::from_ref(model), &cluster, &served).unwrap().deployment;
    let question = runtime.restrict(&open).unwrap();
    let layers = &question.models[0].layers;
    let choice = |(index, options): (usize, usize)| Assignment {
        device: DeviceId(0),
        option: OptionId(((index * 7 + turn) % options) as u16),
    };
    let counts = layers.iter().map(|layer| layer.options.len()).enumerate();
    let plan = Plan::single(counts.map(choice).collect());
    let recipes = layers.iter().zip(&plan.models[0]);
    let recipes =
        recipes.map(|(layer, choice)| layer.options[choice.option.index()].recipe.clone());
    let recipes = recipes.collect();
    let backends = [cluster.backend(0).unwrap()];
    let request = Request {
        prompt: served.prompt,
        generate: served.generate,
        batch: 1,
        context: 4096,
        kv: Format::F16,
        first_token: Nanos(1),
        whole: Nanos(2),
    };
    let order = Order {
        runtime,
        deployment: &question,
        plan: &plan,
        request: Some(request),
        model: None,
        addresses: &BTreeMap::new(),
        backends: &backends,
        kept: &model.kept(),
        projector: None,
        remarks: &[],
        command: "edgeplan export",
    };
    (export(&order).unwrap().into_iter().collect(), recipes)
}

/// What a plan says of a tensor; none where it keeps its type.
fn planned(tensor: &TensorSpec, recipe: &Recipe) -> Option<Format> {
    match tensor.quantizable {
        true => recipe.mix().map(|mix| mix.format(tensor.class)),
        false => tensor.native.filter(|stored| stored.is_quantized()).and_then(as_format),
    }
}

fn as_format(stored: StoredType) -> Option<Format> {
    Format::from_ggml_id(stored.ggml_id)
}

#[test]
fn the_file_is_the_one_that_was_priced() {
    let formats = [Format::F16, Format::Q8_0, Format::Q6K, Format::Q4K, Format::IQ4XS, Format::Q3K];
    let mut seen = 0;
    for name in MODELS {
        let model = edgeplan_model::load(&format!("catalog:{name}")).unwrap();
        let blocks = |row_len: u64| row_len.is_multiple_of(256);
        let all = model.layers.iter().flat_map(|layer| &layer.tensors);
        let whole = all.filter(|t| t.quantizable).all(|tensor| blocks(tensor.row_len));
        let fitting = if whole { &formats[..] } else { &[Format::F16, Format::Q8_0, Format::Q4_0] };
        for turn in 0..3 {
            let (script, recipes) = quantized(&model, fitting, turn);
            let call = Call::of(&script);
            for (layer, recipe) in model.layers.iter().zip(&recipes) {
                for tensor in &layer.tensors {
                    // A tied head is the embedding's tensor, whose type is said there.
                    if model.tied && tensor.class == TensorClass::Output {
                        continue;
                    }
                    let (made, planned) = (call.made(tensor), planned(tensor, recipe));
                    assert_eq!(made, planned, "{name}: {}\n{script}", tensor.name);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 20_000, "{seen}");
}

#[test]
fn coarse_types_ask_for_an_importance_matrix() {
    let model = edgeplan_model::load("catalog:llama-3.1-8b").unwrap();
    let script = |format| quantized(&model, &[format], 0).0;
    assert!(!script(Format::Q4K).contains("imatrix"));
    let better = script(Format::IQ4XS);
    assert!(better.contains("${IMATRIX:+--imatrix \"$IMATRIX\"}"), "{better}");
    assert!(better.contains("=iq4_xs"), "{better}");
    // What no loss is published of needs measurements, and the quantizer a matrix.
    let mut measured = model.clone();
    for tensor in measured.layers.iter_mut().flat_map(|layer| &mut layer.tensors) {
        tensor.measured = [Format::IQ2XS]
            .map(|format| edgeplan_model::sensitivity::measured::Measured {
                format,
                divergence: edgeplan_problem::Loss(1),
                weight_difference: None,
                variance: None,
            })
            .into();
    }
    let needed = quantized(&measured, &[Format::IQ2XS], 0).0;
    assert!(needed.contains("--imatrix \"$IMATRIX\" \\\n"), "{needed}");
    assert!(needed.contains("${IMATRIX:?these IQ types need an importance matrix"), "{needed}");
}

#[test]
fn engines_that_load_the_same_file_tell_of_the_matrix() {
    let model = edgeplan_model::load("catalog:llama-3.1-8b").unwrap();
    for engine in ["llama.cpp", "ollama", "llamafile", "koboldcpp", "lm-studio"] {
        let says = |format| {
            let (files, _) = exported(engine, &model, &[format], 0);
            files.values().any(|text| text.contains("IMATRIX=imatrix.gguf "))
        };
        assert!(says(Format::IQ4XS), "{engine}");
        assert!(!says(Format::Q4K), "{engine}");
    }
}

#[test]
fn a_format_without_a_known_loss_is_refused() {
    let model = edgeplan_model::load("catalog:llama-3.1-8b").unwrap();
    let cluster = Cluster::parse("pc.toml", PC).unwrap();
    for format in [Format::IQ2XS, Format::TQ1_0, Format::MXFP4, Format::NVFP4] {
        let asked = Workload { formats: vec![Format::Q4K, format], ..Workload::default() };
        let error = price(std::slice::from_ref(&model), &cluster, &asked).unwrap_err().to_string();
        let expected = format!("formats: {format}; no loss of {format} alone is published");
        assert!(error.contains(&expected), "{error}");
    }
}
