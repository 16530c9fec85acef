//! Any bytes are a response or are refused, whatever the pieces they come in, and none takes more memory than its limits.
#![no_main]

use fractal::internal::waiting::Reader;
use libfuzzer_sys::fuzz_target;

const HEAD: usize = 1 << 10;
const BODY: usize = 1 << 8;

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else { return };
    let read = |step: usize| {
        let mut reader = Reader::new(HEAD, BODY, false);
        for piece in bytes.chunks(step) {
            reader.receive(piece)?;
        }
        reader.end()?;
        Ok::<_, fractal::internal::waiting::Fault>(reader.into_response())
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(read(usize::from(step).max(1)), whole);
    if let Ok(response) = whole {
        assert!(response.body.len() <= BODY);
    }
});
