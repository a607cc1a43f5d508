//! Random numbers that are a function of a seed and a message's index, and of nothing else.
//!
//! Each message gets a generator of its own (splitmix64, started at a hash of seed and index), so
//! that any thread can make any message in any order.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64-bit numbers that looks random: different inputs never meet.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number for this index, unique among the indexes of a seed.
pub(crate) fn unique(seed: u64, index: u64) -> u64 {
    mix(mix(seed).wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// The generator of one message, user or product.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        // Not the state that `unique` hashes, so that ids tell nothing of the rest.
        Self(mix(mix(seed ^ GOLDEN).wrapping_add(mix(index))))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `end`, which is not 0; the bias is below 2^-32 for ends below 2^32.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number of 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True in this share of cases.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of the values, by weights that add up to 100.
    pub(crate) fn weighted<T: Copy>(&mut self, values: &[(u64, T)]) -> T {
        let mut left = self.below(100);
        for &(weight, value) in values {
            if left < weight {
                return value;
            }
            left -= weight;
        }
        values[values.len() - 1].1
    }

    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_depend_on_seed_and_index_alone() {
        let draw = |seed, index| {
            let mut random = Random::new(seed, index);
            (random.next(), random.next())
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn ids_are_unique() {
        let ids: HashSet<u64> = (0..200_000).map(|index| unique(42, index)).collect();
        assert_eq!(ids.len(), 200_000);
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(7, 0);
        let hits = (0..100_000).filter(|_| random.weighted(&[(10, true), (90, false)])).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
        let mean = (0..100_000).map(|_| random.below(1000)).sum::<u64>() / 100_000;
        assert!((490..510).contains(&mean), "{mean}");
    }
}
