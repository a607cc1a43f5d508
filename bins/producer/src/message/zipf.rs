//! Skewed choice: rank `k` of `n` comes with a probability in proportion to `1 / k^s`.
//!
//! Rejection-inversion (Hörmann and Derflinger, 1996): constant memory, about 1.1 tries for any `n`.

use super::random::Random;

/// Chooses among `count` things; the first is the most frequent one.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    count: u64,
    zipf: Option<Zipf>,
}

#[derive(Debug, Clone)]
struct Zipf {
    exponent: f64,
    low: f64,
    high: f64,
    shortcut: f64,
}

impl Choice {
    /// An exponent of 0 makes all equally likely.
    pub(crate) fn new(count: u64, exponent: f64) -> Self {
        let zipf = (exponent > 0.0 && count > 1).then(|| {
            let mut zipf = Zipf { exponent, low: 0.0, high: 0.0, shortcut: 0.0 };
            zipf.low = zipf.integral(1.5) - 1.0;
            zipf.high = zipf.integral(count as f64 + 0.5);
            zipf.shortcut = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.density(2.0));
            zipf
        });
        Self { count, zipf }
    }

    pub(crate) fn pick(&self, random: &mut Random) -> u64 {
        let Some(zipf) = &self.zipf else { return random.below(self.count) };
        loop {
            let u = zipf.high + random.unit() * (zipf.low - zipf.high);
            let x = zipf.inverse(u);
            let rank = x.round().clamp(1.0, self.count as f64);
            if rank - x <= zipf.shortcut || u >= zipf.integral(rank + 0.5) - zipf.density(rank) {
                return rank as u64 - 1;
            }
        }
    }
}

impl Zipf {
    fn density(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The integral of the density from 1 to `x`; a limit of its own where the exponent is 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let t = (1.0 - self.exponent) * log;
        log * if t.abs() > 1e-8 { t.exp_m1() / t } else { 1.0 + t / 2.0 }
    }

    fn inverse(&self, area: f64) -> f64 {
        let t = (area * (1.0 - self.exponent)).max(-1.0);
        (area * if t.abs() > 1e-8 { t.ln_1p() / t } else { 1.0 - t / 2.0 }).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of each rank in `draws` draws, and what the law says.
    fn check(count: u64, exponent: f64) {
        let draws = 200_000;
        let choice = Choice::new(count, exponent);
        let mut random = Random::new(11, 0);
        let mut counts = vec![0u64; count as usize];
        for _ in 0..draws {
            counts[choice.pick(&mut random) as usize] += 1;
        }
        let total: f64 = (1..=count).map(|rank| (rank as f64).powf(-exponent)).sum();
        for (index, &seen) in counts.iter().enumerate().take(20) {
            let expected = draws as f64 * (index as f64 + 1.0).powf(-exponent) / total;
            let tolerance = 5.0 * expected.sqrt() + 5.0;
            assert!((seen as f64 - expected).abs() < tolerance, "{exponent} {index}: {seen} for {expected}");
        }
    }

    #[test]
    fn ranks_follow_the_law() {
        for exponent in [0.0, 0.5, 0.99, 1.0, 1.5, 3.0] {
            check(1_000, exponent);
            check(2, exponent);
        }
        assert_eq!(Choice::new(1, 1.0).pick(&mut Random::new(0, 0)), 0);
    }
}
