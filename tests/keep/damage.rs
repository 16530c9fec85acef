//! Whatever happens to a file of finished pieces, the intact ones are found.

use super::support::Scratch;
use super::{heads, seal};
use fractal::parallel::{Claim, Prepared, Recipe, Stop, Work};
use fractal::sink::{Checkpoint, Description, Records};
use fractal::{Result, backend};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A work of pieces whose lengths and bytes look random; some are long and take less space in a file.
struct Bytes(usize);

impl Bytes {
    fn bytes(index: usize) -> Vec<u8> {
        let len = index * 37 % 100 + if index.is_multiple_of(3) { 600 } else { 0 };
        (0..len).map(|i| if i % 4 < 2 { i * i + 31 * index } else { index } as u8).collect()
    }
}

impl Work for Bytes {
    fn len(&self) -> usize {
        self.0
    }
    fn piece_len(&self, index: usize) -> usize {
        Self::bytes(index).len()
    }
    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, _: &Stop) -> Result<()> {
        let bytes: Vec<u8> = claim.range().flat_map(Self::bytes).collect();
        claim.bytes().copy_from_slice(&bytes);
        claim.range().for_each(|index| claim.set_cost(index, index as u64 + 7));
        claim.add_executed(1);
        Ok(())
    }
    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "bytes".into(), bytes: self.0.to_string().into_bytes() })
    }
}

fn write_bytes(path: &Path, pieces: usize) {
    let work = Arc::new(Bytes(pieces));
    let description = Description::new(work.recipe().as_ref(), pieces, None).unwrap();
    let checkpoint = Arc::new(Checkpoint::create(path, &description).unwrap());
    let mut session = backend::find("serial").unwrap().open(&backend::SessionOptions::default()).unwrap();
    session.run(work, checkpoint, &Stop::new()).unwrap();
}

/// What can happen to a file.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Zero(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

impl Damage {
    /// Does it, and says which bytes are not what they were and where they were.
    fn strike(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        let len = file.len();
        match self {
            Self::Flip(at, bits) => file[at.index(len)] ^= bits,
            Self::Cut(at) => file.truncate(at.index(len)),
            Self::Zero(at, count) => file[at.index(len)..].iter_mut().take(*count).for_each(|byte| *byte = 0),
            Self::Insert(at, bytes) => {
                file.splice(at.index(len)..at.index(len), bytes.iter().copied());
            }
            Self::Remove(at, count) => {
                let start = at.index(len);
                file.drain(start..(start + count).min(len));
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        at().prop_map(Damage::Cut),
        (at(), 1usize..600).prop_map(|(at, count)| Damage::Zero(at, count)),
        (at(), prop::collection::vec(any::<u8>(), 1..200)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1usize..300).prop_map(|(at, count)| Damage::Remove(at, count)),
    ]
}

const PIECES: usize = 40;

/// The pieces of a file, each checked; or why there are none.
fn pieces_of(path: &Path) -> Result<Vec<usize>> {
    let records = Records::open(path)?.read(|index| Bytes::bytes(index).len(), &Stop::new())?;
    let mut words = Vec::new();
    for &found in records.found() {
        let (piece, _) = records.read(found, &mut words)?;
        assert_eq!((piece.bytes, piece.cost), (&Bytes::bytes(found.index)[..], found.index as u64 + 7));
    }
    Ok(records.found().iter().map(|found| found.index).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_happens_to_a_file_its_whole_pieces_are_found(damages in prop::collection::vec(damage(), 1..5)) {
        let scratch = Scratch::new("damage");
        let path = scratch.join("file");
        write_bytes(&path, PIECES);
        let before = fs::read(&path).unwrap();
        let mut file = before.clone();
        damages.iter().for_each(|damage| damage.strike(&mut file));
        fs::write(&path, &file).unwrap();
        match pieces_of(&path) {
            Ok(found) => {
                // A piece whose record still stands somewhere, bit for bit, is found.
                let starts = heads(&before);
                let ends = starts[1..].iter().copied().chain([before.len()]);
                let mut expected = Vec::new();
                for (&start, end) in starts.iter().zip(ends) {
                    let record = &before[start..end];
                    let number = u64::from_le_bytes(record[8..16].try_into().unwrap());
                    if number < PIECES as u64 && file.windows(record.len()).any(|bytes| bytes == record) {
                        expected.push(number as usize);
                    }
                }
                prop_assert!(expected.iter().all(|piece| found.contains(piece)), "{expected:?} in {found:?}");
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert!(text.contains("file` is ") && !text.contains('\n'), "{}", text);
            }
        }
    }
}

#[test]
fn one_damage_costs_one_piece_at_most() {
    let scratch = Scratch::new("flips");
    let path = scratch.join("file");
    write_bytes(&path, PIECES);
    let file = fs::read(&path).unwrap();
    for at in 8..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let found = pieces_of(&path).unwrap();
        assert!(found.len() >= PIECES - 1, "{at}: {found:?}");
    }
}

/// With right checksums, so nothing but the reader's own care helps.
#[test]
fn forged_heads_are_refused() {
    let scratch = Scratch::new("forged");
    let path = scratch.join("file");
    write_bytes(&path, PIECES);
    let mut file = fs::read(&path).unwrap();
    let heads = heads(&file);
    let recode = |file: &mut Vec<u8>, at: usize, coding: u32| {
        file[at + 44..at + 48].copy_from_slice(&coding.to_le_bytes());
        seal(file, at);
    };
    let packed: Vec<_> = heads.iter().copied().filter(|&at| file[at + 44] == 1).collect();
    assert!((1..PIECES).contains(&packed.len()), "some pieces are packed: {packed:?}");
    // As it is where it is packed, packed where it is not, and in no way there is.
    for (piece, coding) in [(packed[0], 0), (heads[3], 1 - u32::from(file[heads[3] + 44])), (heads[9], 2)] {
        let mut forged = file.clone();
        recode(&mut forged, piece, coding);
        fs::write(&path, &forged).unwrap();
        assert_eq!(pieces_of(&path).unwrap().len(), PIECES - 1, "{piece} as {coding}");
    }
    // A description is never packed.
    recode(&mut file, heads[0], 1);
    fs::write(&path, &file).unwrap();
    let refused = pieces_of(&path).unwrap_err().to_string();
    assert!(refused.contains("its description of the work is damaged"), "{refused}");
}
