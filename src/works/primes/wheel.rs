//! The wheel of 30: a byte stands for 30 numbers, with a bit for each of the eight that 2, 3 and 5 do not divide.
//!
//! A larger wheel is had as patterns. The primes from 7 to 163 strike out the same numbers again and again: each group of them has a
//! pattern of a few thousand bytes, and a block begins as the conjunction of all patterns, 32 bytes and more at a time. This replaces
//! four and a half strikes for each byte, of about eleven. (A wheel of 210 would spare one of seven.)

/// Numbers that a byte stands for.
pub(super) const TURN: u64 = 30;

/// What the numbers of a byte leave, divided by 30, by bit.
pub(super) const RESIDUES: [u64; 8] = [1, 7, 11, 13, 17, 19, 23, 29];

/// The bit of a number, by what it leaves, divided by 30.
pub(super) const fn bit(number: u64) -> usize {
    let mut bit = 0;
    while bit < 8 && RESIDUES[bit] != number % TURN {
        bit += 1;
    }
    bit
}

/// The primes whose multiples are struck out by patterns, in groups with patterns of about equal length. (primesieve groups them in
/// this way too.)
const GROUPS: [&[u64]; GROUP_COUNT] = [
    &[7, 23, 37],
    &[11, 19, 31],
    &[13, 17, 29],
    &[41, 163],
    &[43, 157],
    &[47, 151],
    &[53, 149],
    &[59, 139],
    &[61, 137],
    &[67, 131],
    &[71, 127],
    &[73, 113],
    &[79, 109],
    &[83, 107],
    &[89, 103],
    &[97, 101],
];

/// How many groups there are.
pub(super) const GROUP_COUNT: usize = 16;

/// The greatest of these primes.
pub(super) const LAST_OF_PATTERNS: u64 = 163;

/// The bytes of a pattern that are used at once. Each pattern is stored with as many beyond its end, so that it can be read from any
/// byte on.
pub(super) const CHUNK: usize = 1024;

/// After how many bytes the pattern of each group repeats.
pub(super) const PERIODS: [usize; GROUP_COUNT] = {
    let (mut periods, mut group) = ([1; GROUP_COUNT], 0);
    while group < GROUP_COUNT {
        let mut at = 0;
        while at < GROUPS[group].len() {
            periods[group] *= GROUPS[group][at] as usize;
            at += 1;
        }
        group += 1;
    }
    periods
};

/// Where each pattern begins among the bytes of all, and where the last ends.
pub(super) const STARTS: [usize; GROUP_COUNT + 1] = {
    let (mut starts, mut group) = ([0; GROUP_COUNT + 1], 0);
    while group < GROUP_COUNT {
        starts[group + 1] = starts[group] + PERIODS[group] + CHUNK;
        group += 1;
    }
    starts
};

/// The length of all patterns.
pub(super) const PATTERNS_LEN: usize = STARTS[GROUP_COUNT];

/// Writes all patterns, one after the other, into `bytes`, whose length is [`PATTERNS_LEN`].
pub(super) fn write_patterns(bytes: &mut [u8]) {
    bytes.fill(0xff);
    for (group, starts) in GROUPS.iter().zip(STARTS.windows(2)) {
        let pattern = &mut bytes[starts[0]..starts[1]];
        for &prime in *group {
            for cofactor in (1..).step_by(2) {
                let multiple = prime * cofactor;
                let Some(byte) = pattern.get_mut((multiple / TURN) as usize) else { break };
                if bit(multiple) < 8 {
                    *byte &= !(1 << bit(multiple));
                }
            }
        }
    }
}
