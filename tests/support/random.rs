//! Pseudo-random numbers, the same in every run.

/// A small generator for events, places and times (Marsaglia's xorshift). Its lowest bits, the least random ones, are left out.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `limit`, which is far less than 2^53.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
