//! Files of finished pieces: checkpoints, and the parts that shards make.
//!
//! Eight bytes identify the file; then come records, each with a head of 48 bytes that has a checksum of its own, followed by its
//! data. The first two records are identical descriptions of the work, so that damage in one place cannot lose both. All others are pieces,
//! in the order in which they were finished. Records are only ever appended. From a file that ends within a record, or has flipped or lost
//! bytes anywhere, every whole piece can be read: a reader that meets garbage looks for the next head.
//!
//! | Bytes of a head | |
//! | --- | --- |
//! | 0..4 | the mark `F2 'P' 'C' 0A` |
//! | 4..8 | CRC-32 of bytes 8..48 |
//! | 8..16 | the piece's number; all ones for the description |
//! | 16..24 | the piece's cost |
//! | 24..32 | for the first piece of a claim, the operations executed for the whole claim; else 0 |
//! | 32..40 | length of the data |
//! | 40..44 | CRC-32 of the data |
//! | 44..48 | how the data is stored: 0 as it is, 1 packed. It is packed if that is shorter and the pieces' lengths are known beforehand |
//!
//! All numbers are little-endian.

mod bits;
mod locking;
mod packing;
mod picture;
mod reader;

pub use locking::check_unused;
pub(in crate::sink) use locking::lock_file;
pub(crate) use picture::of_picture;
pub use reader::{Found, Records, Unread};

use crate::error::{Error, Result, shorten};
use crate::parallel::{Piece, Recipe, Shard, Work};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// The extension of a file of finished pieces from which a picture is made later.
pub const PART_EXTENSION: &str = "part";

/// The first bytes of every file. They are not text, and contain line endings, so that a program that changes these is noticed.
pub(super) const MAGIC: &[u8; 8] = b"\x89FRP\r\n\x1a\n";

/// The largest length of a description, in bytes: the largest scene as JSON in JSON, and more.
const MAX_DESCRIPTION: usize = 16 << 20;

const MARK: [u8; 4] = *b"\xf2PC\n";
const DESCRIPTION: u64 = u64::MAX;
const RAW: u32 = 0;
const PACKED: u32 = 1;

/// The length of a head.
pub(super) const HEAD: usize = 48;

/// A file's description of its finished pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The program that computed them, with its version: another version's samples may differ.
    pub program: String,
    /// The kind of the work; see [`Recipe`].
    pub kind: String,
    /// How to make the work again, where the recipe is JSON; else null.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub recipe: Value,
    /// The recipe's bytes in hexadecimal digits, where it is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe_hex: Option<String>,
    /// The number of pieces of the work.
    pub pieces: usize,
    /// The shard whose pieces are wanted, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl Description {
    /// Describes a file for the work that `recipe` makes, which has `pieces` pieces, of which only those of `shard` are wanted if it is
    /// given. A recipe that is a JSON object or list is stored as readable JSON, and [`Self::recipe`] returns it with sorted keys and
    /// without spaces; all others are returned unchanged.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is no recipe: without one the pieces could not be identified later.
    pub fn new(recipe: Option<&Recipe>, pieces: usize, shard: Option<Shard>) -> Result<Self> {
        let Some(Recipe { kind, bytes }) = recipe else {
            return Err(Error::Unsupported(
                "this work has no recipe, so its finished pieces could not be identified in a file".into(),
            ));
        };
        let json = serde_json::from_slice(bytes).ok().filter(|value: &Value| {
            // Numbers, for example, may be written in many ways, or be arbitrary bytes that happen to look like one.
            value.is_object() || value.is_array() || !value.is_null() && value.to_string().as_bytes() == bytes
        });
        let (recipe, recipe_hex) = match json {
            Some(json) => (json, None),
            None => (Value::Null, Some(to_hex(bytes))),
        };
        Ok(Self { program: program(), kind: kind.to_string(), recipe, recipe_hex, pieces, shard })
    }

    /// The recipe's bytes.
    pub fn recipe(&self) -> Vec<u8> {
        self.recipe_hex.as_deref().and_then(from_hex).unwrap_or_else(|| self.recipe.to_string().into_bytes())
    }

    /// Whether there is exactly one valid recipe.
    fn is_sound(&self) -> bool {
        match &self.recipe_hex {
            Some(digits) => self.recipe.is_null() && from_hex(digits).is_some(),
            None => !self.recipe.is_null(),
        }
    }

    /// Checks that the pieces are of `work`, and computed by this version of the program.
    ///
    /// # Errors
    /// [`Error::Input`] when they are not; [`Error::Unsupported`] as [`Description::new`].
    pub fn check_work(&self, work: &dyn Work, path: &Path) -> Result<()> {
        let ours = Self::new(work.recipe().as_ref(), work.len(), self.shard)?;
        if (&self.kind, &self.recipe, &self.recipe_hex, self.pieces)
            != (&ours.kind, &ours.recipe, &ours.recipe_hex, ours.pieces)
        {
            return Err(Error::Input(format!(
                "`{}` has finished pieces of another work: it is of kind `{}`, not `{}`, or its recipe differs",
                path.display(),
                self.kind.escape_debug(),
                ours.kind
            )));
        }
        self.check_program(path)
    }

    /// Checks that the file at `path` is of this version of the program.
    ///
    /// # Errors
    /// [`Error::Input`] when it is not.
    pub fn check_program(&self, path: &Path) -> Result<()> {
        if self.program == program() {
            return Ok(());
        }
        Err(Error::Input(format!(
            "`{}` was computed by {}, whose samples may differ from those of {}; finish it with that version",
            path.display(),
            shorten(&self.program),
            program()
        )))
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |&digit: &u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = digits.as_bytes().as_chunks();
    let byte = |[upper, lower]: &[u8; 2]| Some(digit(upper)? << 4 | digit(lower)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

/// This program.
fn program() -> String {
    concat!("fractal ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// The head of a record, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    index: u64,
    cost: u64,
    executed: u64,
    len: u64,
    crc: u32,
    coding: u32,
}

impl Head {
    fn bytes(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&MARK);
        for (place, number) in bytes[8..40].chunks_exact_mut(8).zip([self.index, self.cost, self.executed, self.len]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes[40..44].copy_from_slice(&self.crc.to_le_bytes());
        bytes[44..].copy_from_slice(&self.coding.to_le_bytes());
        let crc = crc32fast::hash(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Whether a description follows, as far as a head can show.
    fn is_description(&self) -> bool {
        self.index == DESCRIPTION && self.coding == RAW && self.len <= MAX_DESCRIPTION as u64
    }

    /// The head in these bytes, if they are valid.
    pub(super) fn read(bytes: &[u8; HEAD]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if bytes[..4] != MARK || crc32fast::hash(&bytes[8..]) != word(4) {
            return None;
        }
        Some(Self {
            index: long(8),
            cost: long(16),
            executed: long(24),
            len: long(32),
            crc: word(40),
            coding: word(44),
        })
    }
}

/// Appends the record of a piece to `out`. If the lengths of results vary, the piece is not packed, since its unpacked length could not be
/// known later.
pub(super) fn write_piece(piece: &Piece<'_>, varies: bool, executed: u64, out: &mut Vec<u8>) {
    let Piece { index, bytes, cost } = *piece;
    write(index as u64, cost, executed, bytes, |bytes, out| !varies && packing::pack(bytes, out), out);
}

/// The beginning of a file.
///
/// # Errors
/// [`Error::Unsupported`] when the description is too long.
pub(super) fn beginning(description: &Description) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(description).map_err(|error| Error::Unsupported(error.to_string()))?;
    if text.len() > MAX_DESCRIPTION {
        return Err(Error::Unsupported(format!(
            "the description of the work has {} bytes; a file of finished pieces holds {MAX_DESCRIPTION}",
            text.len()
        )));
    }
    let mut out = MAGIC.to_vec();
    for _ in 0..2 {
        write(DESCRIPTION, 0, 0, &text, |_, _| false, &mut out);
    }
    Ok(out)
}

/// Appends a record to `out`, with its data as `pack` appends it, or unchanged if `pack` does not.
fn write(
    index: u64,
    cost: u64,
    executed: u64,
    data: &[u8],
    pack: impl FnOnce(&[u8], &mut Vec<u8>) -> bool,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.resize(start + HEAD, 0);
    let coding = if pack(data, out) { PACKED } else { RAW };
    if coding == RAW {
        out.extend_from_slice(data);
    }
    let (head, data) = out[start..].split_at_mut(HEAD);
    let (len, crc) = (data.len() as u64, crc32fast::hash(data));
    head.copy_from_slice(&Head { index, cost, executed, len, crc, coding }.bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(bytes: &[u8]) -> Description {
        Description::new(Some(&Recipe { kind: "made".into(), bytes: bytes.to_vec() }), 3, None).unwrap()
    }

    #[test]
    fn recipes_of_any_bytes_come_back() {
        let binary: Vec<u8> = (0..=255).collect();
        for bytes in
            [&b""[..], &binary, b"12", b"12 ", b" 12", b"1e5", b"null", b"\"a\"", b"[1,2]", b"{\"a\":1}", b"{", b"\xff"]
        {
            let description = described(bytes);
            let text = serde_json::to_string(&description).unwrap();
            let again: Description = serde_json::from_str(&text).unwrap();
            assert!(again.is_sound() && again == description, "{text}");
            assert_eq!(again.recipe(), bytes, "{text}");
        }
    }

    #[test]
    fn recipes_in_json_are_kept_readable() {
        let description = described(br#"{ "b": 1, "a": [2.50] }"#);
        assert_eq!(description.recipe(), br#"{"a":[2.5],"b":1}"#);
        let text = serde_json::to_string(&Description { program: "p".into(), ..description }).unwrap();
        assert_eq!(text, r#"{"program":"p","kind":"made","recipe":{"a":[2.5],"b":1},"pieces":3}"#);
        let text = serde_json::to_string(&Description { program: "p".into(), ..described(b"\0\xfe") }).unwrap();
        assert_eq!(text, r#"{"program":"p","kind":"made","recipe_hex":"00fe","pieces":3}"#);
    }

    #[test]
    fn a_description_without_one_recipe_is_damaged() {
        for recipe in [
            "",
            r#""recipe_hex":"0","#,
            r#""recipe_hex":"0g","#,
            r#""recipe_hex":"00","recipe":{},"#,
            r#""recipe_hex":"é","#,
        ] {
            let text = format!(r#"{{"program":"p","kind":"made",{recipe}"pieces":3}}"#);
            assert!(!serde_json::from_str::<Description>(&text).unwrap().is_sound(), "{text}");
        }
    }
}
