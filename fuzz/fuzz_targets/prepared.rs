//! Whatever stands in what was prepared for a deep view, its samples are computed or it is refused: bytes of any kind in place of a part,
//! and the right ones with a few words changed.
#![no_main]

use fractal::kernel::TileClaim;
use fractal::parallel::{Prepared, Preparing, Stop};
use fractal::sample::{Channels, Tile};
use fractal::{Error, Render, RenderOptions, Scene};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// A view with iterates that need exponents of their own.
const SCENE: &str = "[view]\nre = \"0\"\nim = \"1\"\nwidth = \"1e-400\"\n[image]\nsize = [8, 8]\n[iteration]\nmax = 1000\n";

static HONEST: LazyLock<(Render, Prepared)> = LazyLock::new(|| {
    let options = RenderOptions { channels: Channels::ALL, ..RenderOptions::default() };
    let render = Render::with(&Scene::from_toml(SCENE).unwrap(), options).unwrap();
    let prepared = render.prepared(&Preparing::quietly(&Stop::new())).unwrap();
    (render, prepared)
});

/// What was prepared, with other bytes in one part.
fn altered(name: &str, bytes: &[u8]) -> Prepared {
    let honest = &HONEST.1;
    honest.hashes().fold(Prepared::default(), |all, (part, _)| {
        let bytes = if part == name { bytes } else { honest.get(part).unwrap() };
        all.with(part, bytes.into())
    })
}

fn compute(prepared: &Prepared) {
    let kernel = HONEST.0.kernel();
    let tile = Tile { x: 0, y: 0, width: 8, height: 8 };
    let mut words = vec![0; 64 * kernel.channels().words()];
    let claim = TileClaim { tiles: &[tile.into()], words: &mut words, useful: &mut [0] };
    match kernel.compute(prepared, claim, &Stop::new()) {
        Ok(_) => {}
        Err(Error::Input(text)) => assert!(!text.contains('\n'), "{text}"),
        Err(other) => panic!("{other}"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, rest)) = bytes.split_first() else { return };
    let names: Vec<_> = HONEST.1.hashes().map(|(name, _)| name.to_owned()).collect();
    let name = &names[usize::from(which) % names.len()];
    compute(&altered(name, rest));
    let mut right = HONEST.1.get(name).unwrap().to_vec();
    for change in rest.chunks_exact(10) {
        let at = 4 * usize::from(u16::from_le_bytes([change[0], change[1]])) % right.len().max(1);
        right.iter_mut().skip(at).zip(&change[2..]).for_each(|(old, new)| *old = *new);
    }
    compute(&altered(name, &right));
});
