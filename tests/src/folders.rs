//! Models as Hugging Face stores them, with random weights, and what they compute in plain loops:
//! written from `transformers/models/opt/modeling_opt.py` and `modeling_llama.py`, without a look
//! at how this project does it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::random::Random;

/// Tensors by their names: lengths, and elements row by row.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A small model.
#[derive(Debug, Clone)]
pub struct Tiny {
    /// What `config.json` says.
    pub config: Value,
    /// Its weights.
    pub tensors: Tensors,
}

const HIDDEN: usize = 64;
const FFN: usize = 128;
const BLOCKS: usize = 2;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const VOCAB: usize = 256;
const POSITIONS: usize = 34;
const EPSILON: f32 = 1e-5;

impl Tiny {
    /// An OPT of that seed: like OPT-350m, which normalizes afterwards and has embeddings of half
    /// the length, or like all others.
    pub fn opt(seed: u64, like_350m: bool) -> Self {
        let width = if like_350m { HIDDEN / 2 } else { HIDDEN };
        let config = json!({
            "model_type": "opt", "num_hidden_layers": BLOCKS, "hidden_size": HIDDEN,
            "ffn_dim": FFN, "num_attention_heads": HEADS, "vocab_size": VOCAB,
            "max_position_embeddings": POSITIONS, "word_embed_proj_dim": width,
            "do_layer_norm_before": !like_350m, "activation_function": "relu",
        });
        let mut tiny = Self { config, tensors: Tensors::new() };
        let mut random = Random::seeded(seed);
        let prefix = "model.decoder.";
        let mut add = |name: &str, shape: &[usize]| tiny.add(&mut random, prefix, name, shape);
        add("embed_tokens.weight", &[VOCAB, width]);
        add("embed_positions.weight", &[POSITIONS + 2, HIDDEN]);
        if like_350m {
            add("project_in.weight", &[HIDDEN, width]);
            add("project_out.weight", &[width, HIDDEN]);
        } else {
            add("final_layer_norm.weight", &[HIDDEN]);
            add("final_layer_norm.bias", &[HIDDEN]);
        }
        for block in 0..BLOCKS {
            let parts = [
                ("self_attn.q_proj", HIDDEN, HIDDEN),
                ("self_attn.k_proj", HIDDEN, HIDDEN),
                ("self_attn.v_proj", HIDDEN, HIDDEN),
                ("self_attn.out_proj", HIDDEN, HIDDEN),
                ("fc1", FFN, HIDDEN),
                ("fc2", HIDDEN, FFN),
            ];
            for (part, rows, row_len) in parts {
                add(&format!("layers.{block}.{part}.weight"), &[rows, row_len]);
                add(&format!("layers.{block}.{part}.bias"), &[rows]);
            }
            for norm in ["self_attn_layer_norm", "final_layer_norm"] {
                add(&format!("layers.{block}.{norm}.weight"), &[HIDDEN]);
                add(&format!("layers.{block}.{norm}.bias"), &[HIDDEN]);
            }
        }
        tiny
    }

    /// A llama of that seed, with a head of its own and two queries to a key.
    pub fn llama(seed: u64) -> Self {
        let config = json!({
            "model_type": "llama", "num_hidden_layers": BLOCKS, "hidden_size": HIDDEN,
            "intermediate_size": FFN, "num_attention_heads": HEADS, "vocab_size": VOCAB,
            "num_key_value_heads": KV_HEADS, "rms_norm_eps": EPSILON, "rope_theta": 1000.0,
            "hidden_act": "silu", "tie_word_embeddings": false,
        });
        let mut tiny = Self { config, tensors: Tensors::new() };
        let mut random = Random::seeded(seed);
        let mut add = |name: &str, shape: &[usize]| tiny.add(&mut random, "", name, shape);
        add("model.embed_tokens.weight", &[VOCAB, HIDDEN]);
        add("model.norm.weight", &[HIDDEN]);
        add("lm_head.weight", &[VOCAB, HIDDEN]);
        let kv = HIDDEN / HEADS * KV_HEADS;
        for block in 0..BLOCKS {
            let parts = [
                ("self_attn.q_proj", HIDDEN, HIDDEN),
                ("self_attn.k_proj", kv, HIDDEN),
                ("self_attn.v_proj", kv, HIDDEN),
                ("self_attn.o_proj", HIDDEN, HIDDEN),
                ("mlp.gate_proj", FFN, HIDDEN),
                ("mlp.up_proj", FFN, HIDDEN),
                ("mlp.down_proj", HIDDEN, FFN),
            ];
            for (part, rows, row_len) in parts {
                add(&format!("model.layers.{block}.{part}.weight"), &[rows, row_len]);
            }
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                add(&format!("model.layers.{block}.{norm}.weight"), &[HIDDEN]);
            }
        }
        tiny
    }

    fn add(&mut self, random: &mut Random, prefix: &str, name: &str, shape: &[usize]) {
        let elements: usize = shape.iter().product();
        let unit = |random: &mut Random| random.up_to(2_000_000) as f32 / 1e6 - 1.0;
        let norm = name.contains("norm") && name.ends_with("weight");
        // Large enough that every part leaves its mark.
        let scale = match shape {
            [_, row_len] => 1.7 / (*row_len as f32).sqrt(),
            _ => 0.3,
        };
        let value = |random: &mut Random| f32::from(u8::from(norm)) + scale * unit(random);
        let values = (0..elements).map(|_| value(random)).collect();
        self.tensors.insert(format!("{prefix}{name}"), (shape.to_vec(), values));
    }

    /// Writes `config.json`, weights in as many files as wanted (with an index if there are
    /// several), and a vocabulary of bytes: a `tokenizer.json` if `whole`.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path, files: usize, whole: bool) {
        std::fs::create_dir_all(folder).expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.join(name), bytes).expect("a file");
        };
        write("config.json", self.config.to_string().as_bytes());
        let name = |file: usize| match files {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{files:05}.safetensors", file + 1),
        };
        let mut map = BTreeMap::new();
        for file in 0..files {
            let some = self.tensors.iter().enumerate().filter(|(index, _)| index % files == file);
            let some: Tensors = some.map(|(_, (k, v))| (k.clone(), v.clone())).collect();
            write(&name(file), &safetensors(&some));
            map.extend(some.into_keys().map(|tensor| (tensor, name(file))));
        }
        if files > 1 {
            let index = json!({"metadata": {}, "weight_map": map});
            write("model.safetensors.index.json", index.to_string().as_bytes());
        }
        let vocab: BTreeMap<String, usize> =
            (0..VOCAB).map(|byte| (character(byte as u8).to_string(), byte)).collect();
        let pairs = json!({"type": "BPE", "vocab": vocab, "merges": []});
        let cuts = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true});
        let tokenizer = json!({"version": "1.0", "added_tokens": [], "pre_tokenizer": cuts,
            "model": pairs});
        match whole {
            true => write("tokenizer.json", tokenizer.to_string().as_bytes()),
            false => {
                write("vocab.json", json!(vocab).to_string().as_bytes());
                write("merges.txt", b"#version: 0.2\n");
            }
        }
    }

    /// Mean loss of what follows each token of these windows, in nats.
    pub fn loss(&self, windows: &[Vec<usize>]) -> f64 {
        let all: Vec<_> = windows.iter().map(|window| (window.clone(), window.len() - 1)).collect();
        self.loss_of_last(&all)
    }

    /// Mean loss of so many tokens at the end of each window, in nats.
    pub fn loss_of_last(&self, windows: &[(Vec<usize>, usize)]) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for (window, last) in windows {
            let logits = match self.config["model_type"] == "opt" {
                true => self.opt_logits(window),
                false => self.llama_logits(window),
            };
            let first = window.len() - last;
            for (logits, &next) in logits[first - 1..].iter().zip(&window[first..]) {
                let most = logits.iter().copied().fold(f32::MIN, f32::max);
                let all: f64 = logits.iter().map(|&x| f64::from(x - most).exp()).sum();
                sum += all.ln() - f64::from(logits[next] - most);
                count += 1;
            }
        }
        sum / f64::from(count)
    }

    fn values(&self, name: &str) -> &[f32] {
        &self.tensors[name].1
    }

    /// W x + b, of the layer of that name; b where there is one.
    fn linear(&self, name: &str, x: &[f32]) -> Vec<f32> {
        let weight = self.values(&format!("{name}.weight"));
        let bias = self.tensors.get(&format!("{name}.bias"));
        let rows = weight.chunks(x.len()).enumerate();
        rows.map(|(row, weights)| dot(weights, x) + bias.map_or(0.0, |b| b.1[row])).collect()
    }

    fn layer_norm(&self, name: &str, x: &[f32]) -> Vec<f32> {
        let [weight, bias] = ["weight", "bias"].map(|part| self.values(&format!("{name}.{part}")));
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / x.len() as f32;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        (0..x.len()).map(|at| (x[at] - mean) * scale * weight[at] + bias[at]).collect()
    }

    fn rms_norm(&self, name: &str, x: &[f32]) -> Vec<f32> {
        let weight = self.values(&format!("{name}.weight"));
        let scale = 1.0 / (dot(x, x) / x.len() as f32 + EPSILON).sqrt();
        x.iter().zip(weight).map(|(x, weight)| x * scale * weight).collect()
    }

    fn opt_logits(&self, tokens: &[usize]) -> Vec<Vec<f32>> {
        let before = self.config["do_layer_norm_before"] == true;
        let projected = self.tensors.contains_key("model.decoder.project_in.weight");
        let table = self.values("model.decoder.embed_tokens.weight");
        let width = table.len() / VOCAB;
        let places = self.values("model.decoder.embed_positions.weight");
        let mut states: Vec<Vec<f32>> = (tokens.iter().enumerate())
            .map(|(position, token)| {
                let row = &table[token * width..][..width];
                let row = match projected {
                    true => self.linear("model.decoder.project_in", row),
                    false => row.to_vec(),
                };
                add(&row, &places[(position + 2) * HIDDEN..][..HIDDEN])
            })
            .collect();
        for block in 0..BLOCKS {
            let name = |part: &str| format!("model.decoder.layers.{block}.{part}");
            let norm = |part: &str, x: &Vec<f32>, now: bool| match now {
                true => self.layer_norm(&name(part), x),
                false => x.clone(),
            };
            let normed: Vec<Vec<f32>> =
                states.iter().map(|x| norm("self_attn_layer_norm", x, before)).collect();
            let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(|part| {
                let part = name(&format!("self_attn.{part}"));
                normed.iter().map(|x| self.linear(&part, x)).collect::<Vec<_>>()
            });
            for (position, attended) in attend(&q, &k, &v, HEADS).iter().enumerate() {
                let out = self.linear(&name("self_attn.out_proj"), attended);
                let middle = norm("self_attn_layer_norm", &add(&states[position], &out), !before);
                let inner = self.linear(&name("fc1"), &norm("final_layer_norm", &middle, before));
                let inner: Vec<f32> = inner.iter().map(|x| x.max(0.0)).collect();
                let out = self.linear(&name("fc2"), &inner);
                states[position] = norm("final_layer_norm", &add(&middle, &out), !before);
            }
        }
        let logits = states.iter().map(|state| {
            let state = match before {
                true => self.layer_norm("model.decoder.final_layer_norm", state),
                false => state.clone(),
            };
            let state = match projected {
                true => self.linear("model.decoder.project_out", &state),
                false => state,
            };
            table.chunks(width).map(|row| dot(row, &state)).collect()
        });
        logits.collect()
    }

    fn llama_logits(&self, tokens: &[usize]) -> Vec<Vec<f32>> {
        let table = self.values("model.embed_tokens.weight");
        let mut states: Vec<Vec<f32>> =
            tokens.iter().map(|token| table[token * HIDDEN..][..HIDDEN].to_vec()).collect();
        for block in 0..BLOCKS {
            let name = |part: &str| format!("model.layers.{block}.{part}");
            let normed: Vec<Vec<f32>> =
                states.iter().map(|x| self.rms_norm(&name("input_layernorm"), x)).collect();
            let [mut q, mut k, v] = ["q_proj", "k_proj", "v_proj"].map(|part| {
                let part = name(&format!("self_attn.{part}"));
                normed.iter().map(|x| self.linear(&part, x)).collect::<Vec<_>>()
            });
            for rows in [&mut q, &mut k] {
                rows.iter_mut().enumerate().for_each(|(position, row)| rotate(row, position));
            }
            for (position, attended) in attend(&q, &k, &v, KV_HEADS).iter().enumerate() {
                let out = self.linear(&name("self_attn.o_proj"), attended);
                let middle = add(&states[position], &out);
                let normed = self.rms_norm(&name("post_attention_layernorm"), &middle);
                let gate = self.linear(&name("mlp.gate_proj"), &normed);
                let up = self.linear(&name("mlp.up_proj"), &normed);
                let inner: Vec<f32> =
                    gate.iter().zip(up).map(|(x, up)| x / (1.0 + (-x).exp()) * up).collect();
                states[position] = add(&middle, &self.linear(&name("mlp.down_proj"), &inner));
            }
        }
        let head = |state: &Vec<f32>| self.linear("lm_head", &self.rms_norm("model.norm", state));
        states.iter().map(head).collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Every position looks at itself and those before it; `HEADS` queries share `kv_heads` keys.
fn attend(q: &[Vec<f32>], k: &[Vec<f32>], v: &[Vec<f32>], kv_heads: usize) -> Vec<Vec<f32>> {
    let length = HIDDEN / HEADS;
    let mut out = vec![vec![0.0; HIDDEN]; q.len()];
    for head in 0..HEADS {
        let (own, shared) = (head * length, head * kv_heads / HEADS * length);
        for position in 0..q.len() {
            let query = &q[position][own..own + length];
            let scores: Vec<f32> = (0..=position)
                .map(|at| dot(query, &k[at][shared..shared + length]) / (length as f32).sqrt())
                .collect();
            let most = scores.iter().copied().fold(f32::MIN, f32::max);
            let weights: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
            let sum: f32 = weights.iter().sum();
            for (at, weight) in weights.iter().enumerate() {
                for element in 0..length {
                    out[position][own + element] += weight / sum * v[at][shared + element];
                }
            }
        }
    }
    out
}

/// `rotate_half`: an element turns with the one half a head further on.
fn rotate(row: &mut [f32], position: usize) {
    let length = HIDDEN / HEADS;
    for head in row.chunks_mut(length) {
        for pair in 0..length / 2 {
            let angle = position as f32 * 1000f32.powf(-2.0 * pair as f32 / length as f32);
            let (x, y) = (head[pair], head[pair + length / 2]);
            head[pair] = x * angle.cos() - y * angle.sin();
            head[pair + length / 2] = y * angle.cos() + x * angle.sin();
        }
    }
}

/// A file of these tensors in f32.
pub fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (shape, values)) in tensors {
        let first = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let place = json!({"dtype": "F32", "shape": shape, "data_offsets": [first, data.len()]});
        header.insert(name.clone(), place);
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// GPT-2's character for a byte.
fn character(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    if printable(byte) { byte.into() } else { char::from_u32(256 + before).expect("a letter") }
}
