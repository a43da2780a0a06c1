//! A llama in plain loops over f64, written from the papers and from nothing of the engine: slow,
//! without a cache, every position computed from scratch.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use edgeplan_model::{Shape, gguf};

/// Tensors of f32 by name, row by row.
pub(crate) struct Plain {
    shape: Shape,
    tensors: BTreeMap<String, Vec<f64>>,
    base: f64,
    epsilon: f64,
}

type Rows = Vec<Vec<f64>>;

impl Plain {
    pub(crate) fn read(path: &Path, shape: &Shape) -> Self {
        let header = gguf::read(path).unwrap();
        let mut file = File::open(path).unwrap();
        let mut tensors = BTreeMap::new();
        for tensor in &header.tensors {
            assert_eq!(tensor.stored.name, "f32");
            let mut bytes = vec![0; tensor.bytes.0 as usize];
            file.seek(SeekFrom::Start(header.data.unwrap() + tensor.offset)).unwrap();
            file.read_exact(&mut bytes).unwrap();
            let number = |four: &[u8]| f64::from(f32::from_le_bytes(four.try_into().unwrap()));
            tensors.insert(tensor.name.clone(), bytes.chunks(4).map(number).collect());
        }
        Self { shape: shape.clone(), tensors, base: 1e4, epsilon: f64::from(1e-5f32) }
    }

    /// Logits of every position.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Rows {
        let hidden = self.shape.hidden as usize;
        let embedding = &self.tensors["token_embd.weight"];
        let row = |&token: &u32| embedding[token as usize * hidden..][..hidden].to_vec();
        let mut states: Rows = tokens.iter().map(row).collect();
        for block in 0..self.shape.blocks {
            self.attention(block, &mut states);
            self.feed_forward(block, &mut states);
        }
        let head = if self.shape.tied { "token_embd.weight" } else { "output.weight" };
        states
            .iter()
            .map(|state| self.times(head, &self.norm("output_norm.weight", state)))
            .collect()
    }

    fn attention(&self, block: u64, states: &mut Rows) {
        let name = |stem: &str| format!("blk.{block}.{stem}.weight");
        let dim = self.shape.head_dim as usize;
        let group = (self.shape.heads / self.shape.kv_heads) as usize;
        let normed: Rows = states.iter().map(|s| self.norm(&name("attn_norm"), s)).collect();
        let project = |stem: &str| -> Rows {
            normed.iter().map(|state| self.times(&name(stem), state)).collect()
        };
        let turned = |rows: Rows| -> Rows {
            rows.iter().enumerate().map(|(position, row)| self.turn(row, position)).collect()
        };
        let (queries, keys) = (turned(project("attn_q")), turned(project("attn_k")));
        let values = project("attn_v");
        for (position, state) in states.iter_mut().enumerate() {
            let mut gathered = Vec::new();
            for head in 0..self.shape.heads as usize {
                let own =
                    |rows: &Rows, at: usize, head: usize| rows[at][head * dim..][..dim].to_vec();
                let query = own(&queries, position, head);
                let score = |at: usize| {
                    let key = own(&keys, at, head / group);
                    let dot: f64 = query.iter().zip(key).map(|(a, b)| a * b).sum();
                    (dot / (dim as f64).sqrt()).exp()
                };
                let scores: Vec<f64> = (0..=position).map(score).collect();
                let sum: f64 = scores.iter().sum();
                for element in 0..dim {
                    let value = |at: usize| own(&values, at, head / group)[element];
                    let terms = scores.iter().enumerate();
                    gathered.push(terms.map(|(at, score)| score / sum * value(at)).sum());
                }
            }
            let more = self.times(&name("attn_output"), &gathered);
            state.iter_mut().zip(more).for_each(|(state, more)| *state += more);
        }
    }

    fn feed_forward(&self, block: u64, states: &mut Rows) {
        let name = |stem: &str| format!("blk.{block}.{stem}.weight");
        for state in states {
            let normed = self.norm(&name("ffn_norm"), state);
            let (gate, up) =
                (self.times(&name("ffn_gate"), &normed), self.times(&name("ffn_up"), &normed));
            let gated = gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u);
            let more = self.times(&name("ffn_down"), &gated.collect::<Vec<f64>>());
            state.iter_mut().zip(more).for_each(|(state, more)| *state += more);
        }
    }

    /// Each head's neighbours as a point of the plane, turned.
    fn turn(&self, row: &[f64], position: usize) -> Vec<f64> {
        let dim = self.shape.head_dim as usize;
        let mut out = Vec::new();
        for (pair, xy) in row.chunks(2).enumerate() {
            let angle =
                position as f64 * self.base.powf(-2.0 * (pair % (dim / 2)) as f64 / dim as f64);
            out.push(xy[0] * angle.cos() - xy[1] * angle.sin());
            out.push(xy[0] * angle.sin() + xy[1] * angle.cos());
        }
        out
    }

    fn norm(&self, weight: &str, row: &[f64]) -> Vec<f64> {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
        let scale = (mean + self.epsilon).sqrt();
        row.iter().zip(&self.tensors[weight]).map(|(x, w)| x / scale * w).collect()
    }

    fn times(&self, matrix: &str, row: &[f64]) -> Vec<f64> {
        let rows = self.tensors[matrix].chunks(row.len());
        rows.map(|weights| weights.iter().zip(row).map(|(w, x)| w * x).sum()).collect()
    }
}
