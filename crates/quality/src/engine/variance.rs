//! What a format does to weights, inputs weighted as the importance matrix has them: sums of their
//! squares, over all tokens of a text; of experts over those that were routed to them.

use std::collections::BTreeMap;
use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_model::TensorSpec;

use super::work::SQUARES;
use crate::checkpoint::Checkpoint;
use crate::quantize::dequantize;

/// Elements that are compared at once.
const PIECE: u64 = 1 << 20;

/// Relative errors of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WeightErrors {
    /// Norm of the original weights.
    pub norm: f64,
    /// Norm of the difference, over that of the weights.
    pub difference: f64,
    /// Variance of the error of the outputs, over that of the outputs.
    pub variance: f64,
}

/// What llama-imatrix says of the inputs of tensors.
#[derive(Debug, Default)]
pub(super) struct Importance {
    /// Sums of squares by tensor: a list for each expert, one where there are none.
    sums: BTreeMap<String, Vec<f32>>,
    /// Tokens by tensor: of each expert, of all where there are none.
    counts: BTreeMap<String, Vec<f32>>,
}

/// What the names of numbers of tokens end with.
const COUNTS: &str = ".counts";

impl Importance {
    /// Reads the importance matrix of llama-imatrix.
    ///
    /// # Errors
    /// A file that is none.
    pub(super) fn read(path: &Path) -> Result<Self, InputError> {
        let mut file = Checkpoint::open(path)?;
        let mut read = Self::default();
        for tensor in file.header.tensors.clone() {
            let name = tensor.name.as_str();
            let (stem, list) = match name.strip_suffix(SQUARES) {
                Some(stem) => (stem, &mut read.sums),
                None => match name.strip_suffix(COUNTS) {
                    Some(stem) => (stem, &mut read.counts),
                    None => continue,
                },
            };
            let format = file.format(&tensor)?;
            let bytes = file.bytes(&tensor, 0, tensor.bytes.0)?;
            let values = dequantize(&bytes, format);
            let values = values.map_err(|e| file.header.error(name, e.to_string()))?;
            list.insert(stem.to_owned(), values);
        }
        Ok(read)
    }

    /// Tokens that each expert of a block is used for, where it has experts.
    pub(super) fn routed(&self, block: u64) -> Option<Vec<u64>> {
        let counts = self.counts.get(&format!("blk.{block}.ffn_gate_exps.weight"))?;
        Some(counts.iter().map(|&count| count as u64).collect())
    }

    /// Errors of a tensor between two files.
    ///
    /// # Errors
    /// A file without that tensor, or with another type than floats.
    pub(super) fn errors(
        &self,
        spec: &TensorSpec,
        [original, student]: [&mut Checkpoint; 2],
    ) -> Result<WeightErrors, InputError> {
        let row_len = spec.row_len;
        let lists = self.sums.get(&spec.name).filter(|sums| !sums.is_empty());
        let experts = lists.map_or(1, |sums| (sums.len() as u64 / row_len).max(1));
        let rows_each = (spec.rows / experts).max(1);
        let each = (PIECE / row_len).max(1);
        let (mut weights, mut errors) = ([0.0; 2], [0.0; 2]);
        for first in (0..spec.rows).step_by(each as usize) {
            let rows = first..(first + each).min(spec.rows);
            let [was, is] = [&mut *original, &mut *student]
                .map(|file| piece(file, &spec.name, [rows.start, rows.end]));
            let (was, is) = (was?, is?);
            let row_pairs = was.chunks(row_len as usize).zip(is.chunks(row_len as usize)).zip(rows);
            for ((was, is), row) in row_pairs {
                let list = (row / rows_each).min(experts - 1) * row_len;
                let list = lists.and_then(|sums| sums.get(list as usize..));
                for (at, (&was, &is)) in was.iter().zip(is).enumerate() {
                    let square = list.map_or(1.0, |list| f64::from(list[at]));
                    let (weight, error) = (f64::from(was), f64::from(was) - f64::from(is));
                    weights[0] += weight * weight;
                    weights[1] += weight * weight * square;
                    errors[0] += error * error;
                    errors[1] += error * error * square;
                }
            }
        }
        let over = |at: usize| if weights[at] > 0.0 { errors[at] / weights[at] } else { 0.0 };
        Ok(WeightErrors {
            norm: f64::sqrt(weights[0]),
            difference: over(0).sqrt(),
            variance: over(1),
        })
    }
}

/// Rows of a tensor from the first up to the second, widened.
fn piece(
    file: &mut Checkpoint,
    name: &str,
    [first, end]: [u64; 2],
) -> Result<Vec<f32>, InputError> {
    let tensor = file.tensor(name)?.clone();
    let format = file.format(&tensor)?;
    let row = tensor.bytes.0 / tensor.rows().max(1);
    let bytes = file.bytes(&tensor, first * row, (end - first) * row)?;
    dequantize(&bytes, format).map_err(|error| file.header.error(name, error.to_string()))
}
