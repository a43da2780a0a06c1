//! What `llama-perplexity` says (ggml-org/llama.cpp, `tools/perplexity/perplexity.cpp`).

/// A number and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error over tokens.
    pub error: f64,
}

/// The statistics of one run against saved logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Divergence from the original, in nats per token. Rounding of the saved logits may make it a
    /// little negative.
    pub kl: Estimate,
    /// Change of the loss, in nats per token.
    pub loss_change: Estimate,
    /// Perplexity of the original.
    pub original_perplexity: f64,
}

/// Reads the statistics at the end of a run; none if these lines are missing: the program ends well
/// whatever happens.
pub fn statistics(said: &str) -> Option<Statistics> {
    Some(Statistics {
        kl: estimate(said, "Mean KLD:")?,
        loss_change: estimate(said, "Mean ln(PPL(Q)/PPL(base)) :")?,
        original_perplexity: estimate(said, "Mean PPL(base) :")?.mean,
    })
}

/// Number and error behind a label, of which spaces do not count.
fn estimate(said: &str, label: &str) -> Option<Estimate> {
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    let label = plain(label);
    let line = said.lines().map(plain).find(|line| line.starts_with(&label))?;
    let (mean, error) = line[label.len()..].split_once('±')?;
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    Some(Estimate { mean: number(mean)?, error: number(error)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "chunk             PPL               ln(PPL(Q)/PPL(base))\n   \
        1      12.3456 ±    1.0000       0.01000 ±    0.00200\n\n\
        ====== Perplexity statistics ======\n\
        Mean PPL(Q)                   :  12.500000 ±   1.250000\n\
        Mean PPL(base)                :  12.250000 ±   1.200000\n\
        Mean ln(PPL(Q)/PPL(base))     :   0.020202 ±   0.003000\n\n\
        ====== KL divergence statistics ======\n\
        Mean    KLD:   0.031250 ±   0.000900\nMaximum KLD:   1.500000\n";

    #[test]
    fn statistics_are_read_by_their_labels() {
        let found = statistics(SAID).unwrap();
        assert_eq!(found.kl, Estimate { mean: 0.03125, error: 0.0009 });
        assert_eq!(found.loss_change, Estimate { mean: 0.020202, error: 0.003 });
        assert_eq!(found.original_perplexity, 12.25);
    }

    #[test]
    fn a_run_without_statistics_has_none() {
        let cut = SAID.split("====== KL").next().unwrap();
        assert_eq!(statistics(cut), None);
        assert_eq!(statistics(&SAID.replace("0.031250", "nan")), None);
        assert_eq!(statistics("error: failed to decode\n"), None);
    }
}
