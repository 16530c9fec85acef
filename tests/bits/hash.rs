//! The hash used in the list.

/// FNV-1a with 64 bits (Fowler, Noll and Vo): a few lines that anyone can write again in any language, and the same everywhere. Nobody
/// forges samples, so a hash that accidents do not pass is enough.
pub(super) struct Fnv(u64);

impl Fnv {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Four bytes, the lowest first.
    pub(super) fn word(&mut self, word: u32) {
        self.bytes(&word.to_le_bytes());
    }

    /// Sixteen hexadecimal digits.
    pub(super) fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}

/// The hash of a plane, which begins with its size: equal samples in rows of another length are another plane.
pub(super) fn of_plane(width: u32, height: u32, words: impl IntoIterator<Item = u32>) -> String {
    let mut hash = Fnv::new();
    [width, height].into_iter().chain(words).for_each(|word| hash.word(word));
    hash.text()
}

#[test]
fn hashes_are_those_of_the_authors() {
    for (text, expected) in [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")] {
        let mut hash = Fnv::new();
        hash.bytes(text.as_bytes());
        assert_eq!(hash.text(), expected, "{text}");
    }
}
