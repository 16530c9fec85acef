//! Any bytes are frames or are refused, and no frame takes more memory than its bytes; what was read is written the same again.
#![no_main]

use fractal::internal::frame::{Tail, self};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut stream, mut tail) = (bytes, Tail::default());
    let mut read = 0;
    while let Ok(Some(head)) = frame::read(&mut stream, &mut tail, |_| u64::MAX) {
        let mut again = Vec::new();
        frame::write(&mut again, head.kind, &head.numbers, &[tail.bytes()]).expect("memory can be written");
        assert_eq!(again, bytes[read..][..again.len()]);
        read += again.len();
    }
    let mut stream = bytes;
    let _ = frame::read_first(&mut stream, &mut tail, |_| 1 << 16);
});
