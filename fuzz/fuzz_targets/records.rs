//! Any bytes are a file of finished pieces, a checkpoint or a shard's part, or are refused; what is found in them can be read, and the
//! file can be gone on with.
#![no_main]

use fractal::parallel::Stop;
use fractal::sink::{Checkpoint, Records};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Small pieces, some of them empty, then such as are packed in blocks.
fn len(index: usize) -> usize {
    index % 40 * 7 % 40 + index / 40 % 3 * 512
}

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fractal-fuzz-{}", std::process::id())));

fn read(bytes: &[u8]) {
    std::fs::write(&*FILE, bytes).unwrap();
    let records = match Records::open(&*FILE).and_then(|file| file.read(len, &Stop::new())) {
        Ok(records) => records,
        Err(error) => return assert!(!error.to_string().contains('\n'), "{error}"),
    };
    let mut words = Vec::new();
    for &found in records.found() {
        let (piece, _) = records.read(found, &mut words).expect("a piece that was found is whole");
        assert_eq!((piece.index, piece.bytes.len()), (found.index, len(found.index)));
        assert!(piece.index < records.description().pieces);
    }
    // Nothing that was found is lost when the file is gone on with.
    Checkpoint::go_on(&records).unwrap();
    let again = Records::open(&*FILE).and_then(|file| file.read(len, &Stop::new())).unwrap();
    assert_eq!(again.found(), records.found());
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // The same after the mark that every such file begins with.
    read(&[b"\x89FRP\r\n\x1a\n", bytes].concat());
    // And with all checksums mended, which no random change would hit.
    let mut mended = bytes.to_vec();
    let mut at = 8;
    while let Some(head) = mended.get(at..at + 48) {
        let data = u64::from_le_bytes(head[32..40].try_into().unwrap());
        let end = (at + 48).saturating_add(usize::try_from(data).unwrap_or(usize::MAX));
        let Some(data) = mended.get(at + 48..end) else { break };
        let crc = crc32fast::hash(data);
        mended[at..at + 4].copy_from_slice(b"\xf2PC\n");
        mended[at + 40..at + 44].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&mended[at + 8..at + 48]);
        mended[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    read(&mended);
});
