//! Rotary positions (Su et al. 2021, arXiv:2104.09864, section 3.4.2), and how files stretch them.
//!
//! At position m the pair i of a head turns by the angle m * theta_i, theta_i = base^(-2i/d).
//! Neighbours are a pair: that is how GGUF files of llamas are laid out.

use candle_core::{Device, Tensor};
use edgeplan_files::InputError;
use edgeplan_model::gguf::Header;

/// How a file wants positions to be turned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    /// Elements of a head that turn, its first ones; an even number.
    pub(crate) dims: usize,
    base: f64,
    scaling: Scaling,
}

#[derive(Debug, Clone, PartialEq)]
enum Scaling {
    /// Positions divided by this: 1 where nothing is stretched.
    Linear {
        factor: f64,
    },
    Yarn(Yarn),
}

/// YaRN (Peng et al. 2023, arXiv:2309.00071).
#[derive(Debug, Clone, PartialEq)]
struct Yarn {
    /// s: how often the new context holds the old one.
    factor: f64,
    /// L: positions of the old context.
    context: f64,
    /// Pairs that turn more often than this within L are left alone; the paper's beta.
    fast: f64,
    /// Pairs that turn less often are divided by s; the paper's alpha.
    slow: f64,
    /// What the temperature of equation 22 is multiplied by.
    attention: f64,
}

impl Rotation {
    /// Reads `ARCHITECTURE.rope.*`.
    ///
    /// # Errors
    /// A number out of range, or a kind of scaling that is not known.
    pub(crate) fn read(
        header: &Header,
        architecture: &str,
        head_dim: usize,
    ) -> Result<Self, InputError> {
        let dims = &format!("{architecture}.rope.dimension_count");
        let count = header.number(dims, 2..=head_dim as u64)?.unwrap_or(head_dim as u64);
        if !count.is_multiple_of(2) {
            return Err(header.error(dims, format!("{count}; an even number is allowed")));
        }
        let base = format!("{architecture}.rope.freq_base");
        let base = header.fraction(&base, 1.0..=1e12)?.unwrap_or(1e4);
        let kind_key = format!("{architecture}.rope.scaling.type");
        let kind = header.text(&kind_key)?.unwrap_or("none");
        let number = |name: &str, least: f64, usual: f64| -> Result<f64, InputError> {
            let key = format!("{architecture}.rope.scaling.{name}");
            Ok(header.fraction(&key, least..=1e9)?.unwrap_or(usual))
        };
        let scaling = match kind {
            "none" => Scaling::Linear { factor: 1.0 },
            "linear" => Scaling::Linear { factor: number("factor", 1e-3, 1.0)? },
            "yarn" => {
                let key = format!("{architecture}.context_length");
                let context = header.fraction(&key, 1.0..=1e9)?.unwrap_or(4096.0);
                Scaling::Yarn(Yarn {
                    factor: number("factor", 1.0, 1.0)?,
                    context: number("original_context_length", 1.0, context)?,
                    fast: number("yarn_beta_fast", 1e-3, 32.0)?,
                    slow: number("yarn_beta_slow", 1e-3, 1.0)?,
                    attention: number("attn_factor", 1e-3, 1.0)?,
                })
            }
            other => {
                let problem = format!("`{other}`; none, linear and yarn are allowed");
                return Err(header.error(&kind_key, problem));
            }
        };
        Ok(Self { dims: count as usize, base, scaling })
    }

    /// Angle per position of each pair. `factors`, one for each, come from a tensor of the file
    /// (`rope_freqs.weight`) and divide: Llama 3.1 stretches so.
    fn angles(&self, factors: Option<&[f32]>) -> Vec<f64> {
        let plain = |pair: usize| {
            let theta = self.base.powf(-2.0 * pair as f64 / self.dims as f64);
            factors.map_or(theta, |factors| theta / f64::from(factors[pair]))
        };
        let pairs = 0..self.dims / 2;
        match &self.scaling {
            Scaling::Linear { factor } => pairs.map(|pair| plain(pair) / factor).collect(),
            Scaling::Yarn(yarn) => {
                let (first, last) = (self.turning(yarn, yarn.fast), self.turning(yarn, yarn.slow));
                let first = first.floor().max(0.0);
                let last = last.ceil().min(self.dims as f64 - 1.0);
                let mixed = |pair: usize| {
                    // Equations 18 and 19, over the index of the pair as every runtime has it.
                    let ramp = (pair as f64 - first) / (last - first).max(1e-3);
                    let kept = 1.0 - ramp.clamp(0.0, 1.0);
                    plain(pair) * (kept + (1.0 - kept) / yarn.factor)
                };
                pairs.map(mixed).collect()
            }
        }
    }

    /// The pair that turns `times` times within the old context (equation 17, solved for it).
    fn turning(&self, yarn: &Yarn, times: f64) -> f64 {
        let circle = 2.0 * std::f64::consts::PI;
        self.dims as f64 * (yarn.context / (times * circle)).ln() / (2.0 * self.base.ln())
    }

    /// What queries and keys are multiplied by: the root of 1/t in equation 22.
    fn magnitude(&self) -> f64 {
        match &self.scaling {
            Scaling::Linear { .. } => 1.0,
            Scaling::Yarn(yarn) => yarn.attention * (1.0 + 0.1 * yarn.factor.ln()),
        }
    }

    /// Cosines and sines of the first positions.
    pub(crate) fn table(
        &self,
        factors: Option<&[f32]>,
        positions: usize,
        device: &Device,
    ) -> candle_core::Result<Table> {
        let (angles, magnitude) = (self.angles(factors), self.magnitude());
        let turned = |turn: fn(f64) -> f64| {
            let row = |position: usize| {
                angles.iter().map(move |angle| (magnitude * turn(position as f64 * angle)) as f32)
            };
            let values: Vec<f32> = (0..positions).flat_map(row).collect();
            Tensor::from_vec(values, (positions, angles.len()), device)
        };
        Ok(Table { cos: turned(f64::cos)?, sin: turned(f64::sin)? })
    }
}

/// Cosines and sines of the first positions, `[positions, pairs]` each, on the CPU: at each of
/// them, pair i of the first `dims` elements of a head turns by base^(-2i/dims) over its factor.
///
/// # Errors
/// Those of candle.
///
/// # Panics
/// When there are fewer factors than pairs.
pub fn turns(
    base: f64,
    dims: usize,
    factors: Option<&[f32]>,
    positions: usize,
) -> candle_core::Result<(Tensor, Tensor)> {
    let rotation = Rotation { dims, base, scaling: Scaling::Linear { factor: 1.0 } };
    rotation.table(factors, positions, &Device::Cpu).map(Table::into_parts)
}

/// Cosines and sines by position and pair.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    cos: Tensor,
    sin: Tensor,
}

impl Table {
    /// Both, `[positions, pairs]`.
    pub(crate) fn into_parts(self) -> (Tensor, Tensor) {
        (self.cos, self.sin)
    }

    /// Turns heads of the positions from `first` on, `[heads, positions, head_dim]`.
    pub(crate) fn turn(&self, heads: &Tensor, first: usize) -> candle_core::Result<Tensor> {
        let (_, positions, head_dim) = heads.dims3()?;
        let dims = 2 * self.cos.dim(1)?;
        let cos = self.cos.narrow(0, first, positions)?;
        let sin = self.sin.narrow(0, first, positions)?;
        let front = heads.narrow(2, 0, dims)?.contiguous()?.unsqueeze(0)?;
        let turned = candle_nn::rotary_emb::rope_i(&front, &cos, &sin)?.squeeze(0)?;
        if dims == head_dim {
            return Ok(turned);
        }
        Tensor::cat(&[&turned, &heads.narrow(2, dims, head_dim - dims)?], 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(scaling: Scaling) -> Rotation {
        Rotation { dims: 8, base: 1e4, scaling }
    }

    #[test]
    fn a_pair_turns_by_its_angle() {
        let rotation = rotation(Scaling::Linear { factor: 2.0 });
        let table = rotation.table(None, 5, &Device::Cpu).unwrap();
        // One head of 10 elements, the last two of which do not turn, at positions 3 and 4.
        let head: Vec<f32> = (0..20).map(|n| n as f32 - 7.0).collect();
        let heads = Tensor::from_slice(&head, (1, 2, 10), &Device::Cpu).unwrap();
        let turned = table.turn(&heads, 3).unwrap().flatten_all().unwrap();
        let turned = turned.to_vec1::<f32>().unwrap();
        for (row, position) in [(0, 3.0), (1, 4.0)] {
            for pair in 0..4 {
                let angle = position / 2.0 * 1e4f64.powf(-f64::from(pair) / 4.0);
                let at = row * 10 + 2 * pair as usize;
                let (x, y) = (f64::from(head[at]), f64::from(head[at + 1]));
                let expected =
                    [x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()];
                for (found, expected) in turned[at..].iter().zip(expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
            assert_eq!(turned[row * 10 + 8..row * 10 + 10], head[row * 10 + 8..row * 10 + 10]);
        }
    }

    #[test]
    fn factors_of_the_file_divide() {
        let rotation = rotation(Scaling::Linear { factor: 1.0 });
        let angles = rotation.angles(Some(&[1.0, 2.0, 4.0, 8.0]));
        for (angle, expected) in angles.iter().zip([1.0, 0.05, 0.0025, 0.000125]) {
            assert!((angle - expected).abs() < 1e-12, "{angles:?}");
        }
    }

    #[test]
    fn yarn_leaves_fast_pairs_alone_and_divides_slow_ones() {
        let yarn = Yarn { factor: 4.0, context: 4096.0, fast: 32.0, slow: 1.0, attention: 1.0 };
        let rotation = Rotation { dims: 128, base: 1e4, scaling: Scaling::Yarn(yarn) };
        let plain = Rotation { scaling: Scaling::Linear { factor: 1.0 }, ..rotation.clone() };
        let ratios: Vec<f64> =
            rotation.angles(None).iter().zip(plain.angles(None)).map(|(a, b)| a / b).collect();
        assert_eq!((ratios[0], ratios[63]), (1.0, 0.25));
        assert!(ratios.is_sorted_by(|a, b| a >= b), "{ratios:?}");
        // Pair 20 turns 4096 / (2 pi 1e4^(20/64)) = 36.7 times, pair 46 turns 0.87 times.
        assert_eq!(ratios[20], 1.0);
        assert_eq!(ratios[46], 0.25);
        assert!(ratios[33] > 0.25 && ratios[33] < 1.0);
        assert!((rotation.magnitude() - 1.138_629_436_111_989).abs() < 1e-12);
    }
}
