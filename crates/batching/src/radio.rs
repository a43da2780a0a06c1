//! Rates of radio channels.

/// Bits per second over the whole band: `B log2(1 + p h / (N0 B))` (arXiv 2405.07140, its channel
/// model), rounded down. The gain is the channel's power gain `h`.
pub(super) fn bits_per_second(
    bandwidth_hz: f64,
    transmit_dbm: f64,
    gain_db: f64,
    noise_dbm_per_hz: f64,
) -> u64 {
    let noise = watts(noise_dbm_per_hz) * bandwidth_hz;
    let rate =
        bandwidth_hz * (watts(transmit_dbm + gain_db) / noise).ln_1p() / std::f64::consts::LN_2;
    rate as u64
}

/// A power given in decibels above a milliwatt.
fn watts(dbm: f64) -> f64 {
    10f64.powf(dbm / 10.0 - 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_uplink_carries_six_hundred_megabits() {
        let rate = bits_per_second(20e6, 20.0, -30.0, -174.0) as f64;
        assert!((rate / 604e6 - 1.0).abs() < 0.01, "{rate}");
    }
}
