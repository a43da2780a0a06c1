//! Weights drawn anew within the rounding of the format that a file has them in.
//!
//! Weights of a file that was quantized lie on the grid of its format. Measured as they are, that
//! format loses nothing, and formats like it next to nothing. Where no other file can be had,
//! uniform noise of up to half a step to either side gives floats that round to the same file, as
//! those that it was made of did.

use edgeplan_problem::format::Format;
use rand::{Rng, RngExt as _};

/// Gaps below this share of the largest weight are rounding, not steps.
const ROUNDING: f32 = 1e-5;

/// Moves each weight by up to half a step of its format; weights in floats stay.
pub(crate) fn dither(weights: &mut [f32], format: Format, rng: &mut impl Rng) {
    if format.block_elements() == 1 {
        return;
    }
    for group in weights.chunks_mut(scaled_together(format)) {
        let step = step(group);
        for weight in group {
            *weight += step * (rng.random::<f32>() - 0.5);
        }
    }
}

/// Weights with one scale (ggml-org/ggml, `src/ggml-common.h`).
fn scaled_together(format: Format) -> usize {
    match format {
        Format::Q2K | Format::Q3K | Format::Q6K => 16,
        _ => 32,
    }
}

/// The smallest gap between weights of one scale, which is a step of the grid where two of them are
/// neighbours; 0 where all are alike.
fn step(group: &[f32]) -> f32 {
    let mut sorted = group.to_vec();
    sorted.sort_by(f32::total_cmp);
    let largest = group.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
    let gaps = sorted.windows(2).map(|pair| pair[1] - pair[0]);
    let least = gaps.filter(|gap| *gap > ROUNDING * largest).fold(f32::INFINITY, f32::min);
    if least.is_finite() { least } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_pcg::Pcg64;

    use super::*;
    use crate::{dequantize, quantize};

    #[test]
    fn drawn_weights_round_to_the_same_grid() {
        let mut rng = Pcg64::seed_from_u64(3);
        let weights: Vec<f32> =
            (0..4096).map(|_| (0..6).map(|_| rng.random::<f32>() - 0.5).sum()).collect();
        for format in [Format::Q8_0, Format::Q5_0, Format::Q4K, Format::Q6K] {
            let bytes = quantize(&weights, 256, format).unwrap();
            let grid = dequantize(&bytes, format).unwrap();
            let mut drawn = grid.clone();
            dither(&mut drawn, format, &mut rng);
            let moved = |a: &[f32], b: &[f32]| {
                let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
                squares.sum::<f64>().sqrt()
            };
            // As far from the grid as what the grid was made of.
            let (first, again) = (moved(&weights, &grid), moved(&drawn, &grid));
            assert!((0.7..1.5).contains(&(again / first)), "{format}: {}", again / first);
        }
        let mut floats = weights.clone();
        dither(&mut floats, Format::F16, &mut rng);
        assert_eq!(floats, weights);
        let mut flat = vec![0.25; 64];
        dither(&mut flat, Format::Q8_0, &mut rng);
        assert_eq!(flat, vec![0.25; 64]);
    }
}
