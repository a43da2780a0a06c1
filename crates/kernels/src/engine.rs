//! What runs a piece of work: candle.

use std::rc::Rc;

use candle_core::{Device, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use edgeplan_cost_model::profile::{Resident, Work};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;

use crate::grid::Task;
use crate::resident;
use crate::shapes::Shape;
use crate::triad::Triad;
use crate::weights::{Weight, load};

/// What an engine said when it could not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        // A backtrace may follow.
        Self(error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

/// Work that is ready to run; each call is one run, finished when it returns.
pub type Kernel = Box<dyn FnMut() -> Result<(), EngineError>>;

/// Runs work. A trait, so that what times it is tested without times.
pub trait Engine {
    /// Memory that a task needs while it runs, at most.
    fn needs(&self, task: &Task) -> Bytes;

    /// Makes work ready to run, its weights loaded and packed.
    ///
    /// # Errors
    /// When the engine cannot run it.
    fn prepare(&mut self, work: &Work) -> Result<Kernel, EngineError>;

    /// What matrices in that format take in memory; none where that is unknown.
    ///
    /// # Errors
    /// When the engine cannot run that format.
    fn resident(&mut self, format: Format) -> Result<Vec<Resident>, EngineError>;
}

/// candle on one device. Operands that a layer would fetch from memory are rotated: there are as
/// many copies as it takes to fill more than the caches.
pub struct Candle {
    device: Device,
    cold_bytes: Bytes,
    weights: Option<(Format, Shape, Rc<Vec<Weight>>)>,
}

impl std::fmt::Debug for Candle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candle").field("cold_bytes", &self.cold_bytes).finish_non_exhaustive()
    }
}

/// candle keeps at most two packed copies beside a quantized matrix, each up to 1.6 times as large.
const RESIDENT_FACTOR_MAX: u64 = 4;

impl Candle {
    /// On the processor, or on the first accelerator that this build knows.
    ///
    /// # Errors
    /// When the accelerator does not work.
    pub fn new(accelerated: bool, cold_bytes: Bytes) -> Result<Self, EngineError> {
        let device = if accelerated { Device::cuda_if_available(0)? } else { Device::Cpu };
        Ok(Self { device, cold_bytes, weights: None })
    }

    /// The accelerator that it runs on, if any.
    pub fn accelerator(&self) -> Option<String> {
        (!self.device.is_cpu()).then(|| "CUDA device 0".into())
    }

    /// How many operands of that size it takes to fill more than the caches.
    fn copies(&self, operand: Bytes) -> u64 {
        self.cold_bytes.0.div_ceil(operand.0.max(1)).clamp(1, 1024)
    }

    fn weights(&mut self, format: Format, shape: Shape) -> Result<Rc<Vec<Weight>>, EngineError> {
        match &self.weights {
            Some((loaded, of, weights)) if (*loaded, *of) == (format, shape) => {
                return Ok(Rc::clone(weights));
            }
            _ => {}
        }
        // Before the next ones are loaded.
        self.weights = None;
        let one = format.bytes(shape.rows, shape.row_len).unwrap_or_default();
        let weights = Rc::new(load(&self.device, format, shape, self.copies(one))?);
        self.weights = Some((format, shape, Rc::clone(&weights)));
        Ok(weights)
    }

    /// A kernel that computes a tensor and waits for it.
    fn kernel(&self, mut compute: impl FnMut() -> candle_core::Result<Tensor> + 'static) -> Kernel {
        let device = self.device.clone();
        Box::new(move || {
            let result = compute()?;
            device.synchronize()?;
            std::hint::black_box(result);
            Ok(())
        })
    }

    fn tensor(&self, dims: &[u64]) -> candle_core::Result<Tensor> {
        let dims: Vec<usize> = dims.iter().map(|&side| side as usize).collect();
        // Not zeros: an allocator may map those to one page, which is always in the cache.
        Tensor::full(0.5_f32, dims, &self.device)
    }

    /// Grouped queries: those that share a key are rows of one product. One row sees the whole
    /// cache; of several, each sees what came before it.
    fn attention(&self, work: &Work) -> Result<Kernel, EngineError> {
        let &Work::Attention { heads, kv_heads, head_dim, context, batch } = work else {
            return Err(EngineError("not attention".into()));
        };
        let group = heads.checked_div(kv_heads).filter(|group| group * kv_heads == heads);
        let Some(group) = group.filter(|_| batch <= context) else {
            return Err(EngineError(format!("{work:?} makes no sense")));
        };
        let query = self.tensor(&[kv_heads, group * batch, head_dim])?;
        let cache = || self.tensor(&[kv_heads, context, head_dim]);
        let caches: Vec<(Tensor, Tensor)> = (0..self.copies(work.bytes()))
            .map(|_| Ok((cache()?, cache()?)))
            .collect::<candle_core::Result<_>>()?;
        let mask = if batch > 1 { Some(self.mask(group, batch, context)?) } else { None };
        let scale = (head_dim as f64).sqrt().recip();
        let mut next = 0;
        Ok(self.kernel(move || {
            let (keys, values) = &caches[next];
            next = (next + 1) % caches.len();
            let scores = (query.matmul(&keys.t()?)? * scale)?;
            let scores = match &mask {
                Some(mask) => scores.broadcast_add(mask)?,
                None => scores,
            };
            softmax_last_dim(&scores)?.matmul(values)
        }))
    }

    /// 0 where a position may look, minus infinity where it may not.
    fn mask(&self, group: u64, batch: u64, context: u64) -> candle_core::Result<Tensor> {
        let row = |position: u64| {
            let last = context - batch + position;
            (0..context).map(move |key| if key <= last { 0.0 } else { f32::NEG_INFINITY })
        };
        let entries: Vec<f32> = (0..group).flat_map(|_| (0..batch).flat_map(row)).collect();
        Tensor::from_vec(entries, ((group * batch) as usize, context as usize), &self.device)
    }
}

impl Engine for Candle {
    fn needs(&self, task: &Task) -> Bytes {
        match task {
            Task::Resident(format) => resident::file_bytes(*format) * (2 * RESIDENT_FACTOR_MAX),
            Task::Time(work) => {
                let operand = work.bytes();
                match *work {
                    Work::Matmul { format, rows, row_len, batch } => {
                        let dense = matches!(format, Format::F32 | Format::F16 | Format::BF16);
                        let factor = if dense { 1 } else { RESIDENT_FACTOR_MAX };
                        let rest = Bytes(rows.saturating_add(row_len).saturating_mul(4 * batch));
                        // One more: the content that copies are made of.
                        operand * (self.copies(operand) * factor + 1) + rest
                    }
                    Work::Attention { heads, context, batch, .. } => {
                        let scores = Bytes(heads.saturating_mul(context).saturating_mul(batch)) * 4;
                        operand * self.copies(operand) + scores * 4
                    }
                    _ => operand,
                }
            }
        }
    }

    fn prepare(&mut self, work: &Work) -> Result<Kernel, EngineError> {
        Ok(match *work {
            Work::Matmul { format, rows, row_len, batch } => {
                let weights = self.weights(format, Shape { rows, row_len })?;
                let x = self.tensor(&[batch, row_len])?;
                let mut next = 0;
                self.kernel(move || {
                    let weight = &weights[next];
                    next = (next + 1) % weights.len();
                    weight.forward(&x)
                })
            }
            Work::Attention { .. } => self.attention(work)?,
            Work::Norm { width, batch } => {
                let (x, weight) = (self.tensor(&[batch, width])?, self.tensor(&[width])?);
                self.kernel(move || rms_norm(&x, &weight, 1e-5))
            }
            Work::Activation { width, batch } => {
                let (gate, up) = (self.tensor(&[batch, width])?, self.tensor(&[batch, width])?);
                self.kernel(move || silu(&gate)? * &up)
            }
            Work::Triad { threads, bytes } => {
                if !self.device.is_cpu() {
                    return Err(EngineError("an accelerator's memory is not the system's".into()));
                }
                let mut triad = Triad::new(threads, bytes.0);
                Box::new(move || {
                    triad.run();
                    Ok(())
                })
            }
            Work::Dispatch {} => {
                let x = self.tensor(&[1])?;
                self.kernel(move || &x + &x)
            }
        })
    }

    fn resident(&mut self, format: Format) -> Result<Vec<Resident>, EngineError> {
        self.weights = None;
        if !self.device.is_cpu() {
            return Ok(Vec::new());
        }
        Ok(resident::measure(&self.device, format)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candle() -> Candle {
        Candle::new(false, Bytes(1 << 20)).unwrap()
    }

    #[test]
    fn every_kind_of_work_runs() {
        let mut candle = candle();
        let works = [
            Work::Matmul { format: Format::Q4K, rows: 64, row_len: 256, batch: 3 },
            Work::Matmul { format: Format::Q4K, rows: 64, row_len: 256, batch: 1 },
            Work::Matmul { format: Format::BF16, rows: 64, row_len: 256, batch: 2 },
            Work::Attention { heads: 4, kv_heads: 2, head_dim: 16, context: 40, batch: 1 },
            Work::Attention { heads: 4, kv_heads: 2, head_dim: 16, context: 40, batch: 40 },
            Work::Norm { width: 64, batch: 2 },
            Work::Activation { width: 64, batch: 2 },
            Work::Triad { threads: 2, bytes: Bytes(24_000) },
            Work::Dispatch {},
        ];
        for work in works {
            let mut kernel = candle.prepare(&work).unwrap();
            for _ in 0..3 {
                kernel().unwrap_or_else(|error| panic!("{work:?}: {error}"));
            }
            assert!(candle.needs(&Task::Time(work)) >= work.bytes(), "{work:?}");
        }
    }

    #[test]
    fn there_are_more_copies_than_the_caches_hold_and_batches_share_them() {
        let mut candle = candle();
        let shape = Shape { rows: 64, row_len: 256 };
        let weights = candle.weights(Format::Q8_0, shape).unwrap();
        let one = Format::Q8_0.bytes(64, 256).unwrap();
        assert!((one * weights.len() as u64) >= Bytes(1 << 20));
        assert!(Rc::ptr_eq(&weights, &candle.weights(Format::Q8_0, shape).unwrap()));
        let large = Work::Matmul { format: Format::F32, rows: 1024, row_len: 1024, batch: 1 };
        assert_eq!(candle.copies(large.bytes()), 1);
    }

    #[test]
    fn a_position_sees_what_came_before_it() {
        let mask = candle().mask(2, 2, 3).unwrap().to_vec2::<f32>().unwrap();
        let no = f32::NEG_INFINITY;
        let one = [[0.0, 0.0, no], [0.0, 0.0, 0.0]];
        assert_eq!(mask, [one, one].concat());
    }

    #[test]
    fn nonsense_is_an_error() {
        let mut candle = candle();
        for work in [
            Work::Attention { heads: 4, kv_heads: 3, head_dim: 16, context: 40, batch: 1 },
            Work::Attention { heads: 4, kv_heads: 0, head_dim: 16, context: 40, batch: 1 },
            Work::Attention { heads: 4, kv_heads: 2, head_dim: 16, context: 4, batch: 5 },
            Work::Matmul { format: Format::Q4K, rows: 64, row_len: 100, batch: 1 },
        ] {
            assert!(candle.prepare(&work).is_err(), "{work:?}");
        }
    }
}
