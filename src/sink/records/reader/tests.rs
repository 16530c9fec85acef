use super::*;
use std::io::Cursor;

/// Counts the bytes read.
struct Counted<'a>(Cursor<&'a [u8]>, &'a mut u64);

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.0.read(into)?;
        *self.1 += len as u64;
        Ok(len)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn heads_that_lie_are_not_read_through_again_and_again() {
    const HEADS: u64 = 50_000;
    let all = HEADS * HEAD as u64;
    let description = Description {
        program: String::new(),
        kind: String::new(),
        recipe: serde_json::Value::Null,
        recipe_hex: None,
        pieces: HEADS as usize,
        shard: None,
    };
    // Each is followed by as much data as it claims, by less, or by more.
    for len in [0, 100, 600_000, 2_000_000, 16 << 20] {
        for index in [super::super::DESCRIPTION, 7] {
            let head = Head { index, cost: 0, executed: 0, len, crc: 1, coding: RAW };
            let file = [&MAGIC[..], &head.bytes().repeat(HEADS as usize)].concat();
            let mut read = 0;
            assert!(describe(Counted(Cursor::new(&file), &mut read)).unwrap().is_err());
            for varies in [false, true] {
                let counted = Counted(Cursor::new(&file), &mut read);
                let found = scan(counted, &description, |_| len as usize, varies, &Stop::new()).unwrap().unwrap();
                assert_eq!(found.found, []);
            }
            assert!(read < 50 * all, "{len} {index}: {read} bytes of {all}");
        }
    }
}
