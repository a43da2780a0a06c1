//! Log probabilities that `llama-perplexity --save-all-logits` writes (ggml-org/llama.cpp,
//! `tools/perplexity/perplexity.cpp`), and the divergence of two such files.
//!
//! `_logits_`, tokens of a window, entries of the vocabulary, windows, the tokens; then for each
//! scored token a scale, the least log probability, and 16 bits for each entry. Entries below 1e-7
//! of the likeliest one's probability have the least.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use edgeplan_files::InputError;

use super::output::Estimate;

/// Log probabilities of the original at or below this do not count, as in llama.cpp's own sum.
const LEAST: f32 = -16.0;
/// More entries than these are no vocabulary, and more windows no text.
const VOCAB_MAX: u32 = 1 << 22;
const WINDOWS_MAX: u32 = 1 << 24;

/// A file that is read from its begin to its end.
#[derive(Debug)]
pub struct Saved {
    file: BufReader<File>,
    name: String,
    context: u32,
    vocab: u32,
    /// Windows of the text; of each the second half is scored but for its last token.
    pub windows: u32,
    /// The text's tokens, window by window.
    pub tokens: Vec<u32>,
}

/// How a student's predictions differ from the original's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    /// Divergence, in nats per token.
    pub kl: Estimate,
    /// Change of the loss, in nats per token.
    pub loss_change: Estimate,
    /// Loss of the original, in nats per token.
    pub original_loss: f64,
}

impl Saved {
    /// Opens a file and reads all before the first scored token.
    ///
    /// # Errors
    /// A file that is cut off or none of this kind.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let name = path.display().to_string();
        let mut saved = {
            let file = File::open(path).map_err(|e| InputError::file(&name, e.to_string()))?;
            let (context, vocab, windows, tokens) = (0, 0, 0, Vec::new());
            Self {
                file: BufReader::with_capacity(1 << 20, file),
                name,
                context,
                vocab,
                windows,
                tokens,
            }
        };
        if &saved.bytes::<8>()? != b"_logits_" {
            return Err(saved.error("holds no logits of llama-perplexity"));
        }
        let mut number = || Ok::<u32, InputError>(u32::from_le_bytes(saved.bytes()?));
        let (context, vocab, windows) = (number()?, number()?, number()?);
        if context < 4 || vocab > VOCAB_MAX || windows > WINDOWS_MAX {
            return Err(saved.error("holds no logits of llama-perplexity"));
        }
        (saved.context, saved.vocab, saved.windows) = (context, vocab, windows);
        for _ in 0..u64::from(context) * u64::from(windows) {
            let token = u32::from_le_bytes(saved.bytes()?);
            saved.tokens.push(token);
        }
        Ok(saved)
    }

    fn error(&self, problem: &str) -> InputError {
        InputError::file(&self.name, problem)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], InputError> {
        let mut bytes = [0; N];
        let read = self.file.read_exact(&mut bytes);
        read.map_err(|error| InputError::file(&self.name, error.to_string()))?;
        Ok(bytes)
    }

    /// Log probabilities of what follows the next scored token.
    ///
    /// # Errors
    /// The end of the file.
    pub fn read(&mut self, row: &mut Vec<f32>) -> Result<(), InputError> {
        let scale = f32::from_le_bytes(self.bytes()?);
        let least = f32::from_le_bytes(self.bytes()?);
        // An odd vocabulary is padded.
        let mut bytes = vec![0; 2 * self.vocab.next_multiple_of(2) as usize];
        let read = self.file.read_exact(&mut bytes);
        read.map_err(|error| InputError::file(&self.name, error.to_string()))?;
        row.clear();
        let steps = bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        row.extend(steps.take(self.vocab as usize).map(|step| scale * f32::from(step) + least));
        Ok(())
    }
}

/// Windows of a file.
///
/// # Errors
/// A file that is none of this kind.
pub(super) fn windows(path: &Path) -> Result<u64, InputError> {
    Ok(u64::from(Saved::open(path)?.windows))
}

/// Holds a student's file against the original's.
///
/// # Errors
/// Files that are none of this kind, are cut off, or are about different tokens.
pub(super) fn difference(original: &Path, student: &Path) -> Result<Difference, InputError> {
    let (mut original, mut student) = (Saved::open(original)?, Saved::open(student)?);
    if original.tokens != student.tokens || original.vocab != student.vocab {
        return Err(student.error(&format!("is about other tokens than {}", original.name)));
    }
    let (mut was, mut is) = (Vec::new(), Vec::new());
    let (mut kl, mut change, mut loss) = (Sum::default(), Sum::default(), Sum::default());
    let (context, first) = (original.context as usize, original.context as usize / 2);
    for window in 0..original.windows as usize {
        for at in first..context - 1 {
            original.read(&mut was)?;
            student.read(&mut is)?;
            let next = original.tokens[window * context + at + 1] as usize;
            let (Some(before), Some(after)) = (was.get(next), is.get(next)) else {
                return Err(original.error(&format!("token {next} is not in the vocabulary")));
            };
            change.add(f64::from(before - after));
            loss.add(f64::from(-before));
            let counted = was.iter().zip(&is).filter(|(was, _)| **was > LEAST);
            kl.add(counted.map(|(was, is)| f64::from(was.exp() * (was - is))).sum());
        }
    }
    Ok(Difference {
        kl: kl.estimate(),
        loss_change: change.estimate(),
        original_loss: loss.estimate().mean,
    })
}

#[derive(Default)]
struct Sum {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn estimate(&self) -> Estimate {
        let mean = self.sum / self.count.max(1.0);
        let variance = (self.squares / self.count.max(1.0) - mean * mean).max(0.0);
        Estimate { mean, error: (variance / (self.count - 1.0).max(1.0)).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One window of four tokens over a vocabulary of three: one scored token.
    fn file(folder: &Path, name: &str, scale: f32, steps: [u16; 3]) -> std::path::PathBuf {
        let mut bytes = b"_logits_".to_vec();
        for number in [4u32, 3, 1, 0, 1, 2, 1] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(scale.to_le_bytes());
        bytes.extend((-2f32).to_le_bytes());
        steps.iter().for_each(|step| bytes.extend(step.to_le_bytes()));
        bytes.extend([0; 2]);
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_divergence_is_that_of_a_worked_example() {
        let folder = tempfile::tempdir().unwrap();
        let was = file(folder.path(), "was", 0.5, [2, 2, 1]);
        let is = file(folder.path(), "is", 0.5, [2, 1, 2]);
        let found = difference(&was, &is).unwrap();
        // Log probabilities -1, -1, -1.5 and -1, -1.5, -1: the second loses half a nat, the third
        // gains one.
        let kl = 0.5 * ((-1f64).exp() - (-1.5f64).exp());
        assert!((found.kl.mean - kl).abs() < 1e-7, "{found:?}");
        assert!((found.loss_change.mean - 0.5).abs() < 1e-7, "{found:?}");
        assert!((found.original_loss - 1.0).abs() < 1e-7, "{found:?}");
        assert_eq!(difference(&was, &was).unwrap().kl.mean, 0.0);
        assert_eq!(windows(&was).unwrap(), 1);
    }

    #[test]
    fn files_that_are_cut_off_or_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let was = file(folder.path(), "was", 0.5, [2, 2, 1]);
        let bytes = std::fs::read(&was).unwrap();
        let cut = folder.path().join("cut");
        std::fs::write(&cut, &bytes[..bytes.len() - 9]).unwrap();
        assert!(difference(&was, &cut).is_err());
        let mut other = bytes.clone();
        other[20] = 2;
        std::fs::write(&cut, &other).unwrap();
        let error = difference(&was, &cut).unwrap_err().to_string();
        assert!(error.contains("is about other tokens than"), "{error}");
        std::fs::write(&cut, "nothing").unwrap();
        assert!(windows(&cut).is_err());
    }
}
