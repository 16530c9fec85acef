//! Bits on record: today's results are the same as before.
//!
//! The other tests compare ways of computing with each other, and with the truth where it is known to the last bit. They all pass if every
//! way changes alike: another coefficient of the logarithm, another colour between two stops. The committed list of hashes (`list.txt`)
//! catches that. It covers samples and decoded pixels, so that packing and compression may change. Files of earlier versions are read, too
//! (`old/`).
//!
//! A run computes each scene once; backends and instruction sets take turns. `FRACTAL_LONG=1` computes each scene with all of them.
//! `FRACTAL_BITS=write` writes the list, computed by the plain loop with one worker.

mod decode;
mod hash;
mod list;
mod old;
mod pictures;
mod samples;
#[path = "../support/mod.rs"]
mod support;
mod ways;

use list::{Comparison, Hashes};
use std::collections::BTreeSet;
use support::Scratch;
use ways::{REFERENCE, Sessions, Way};

/// Computes one thing in every way that is due, as the `turn`th thing.
fn record(
    comparison: &mut Comparison,
    met: &mut BTreeSet<&'static str>,
    (name, turn): (&'static str, usize),
    mut hashes: impl FnMut(Way) -> Hashes,
) {
    let all = ways::all();
    let due = match () {
        () if list::is_written() => vec![REFERENCE],
        () if support::is_long() => all,
        () => vec![all[turn % all.len()]],
    };
    for way in due {
        met.extend([way.0, way.1.name()]);
        comparison.add(name, &hashes(way), &format!("{}, {}", way.0, way.1));
    }
}

#[test]
fn the_bits_are_those_of_the_list() {
    let scratch = Scratch::new("bits");
    let (mut comparison, mut sessions, mut met) = (Comparison::new(), Sessions::default(), BTreeSet::new());
    let scenes = samples::all();
    for (turn, scene) in scenes.iter().enumerate() {
        record(&mut comparison, &mut met, (scene.name, turn), |way| scene.hashes(&mut sessions, way));
    }
    for (turn, picture) in pictures::all().iter().enumerate() {
        let turn = scenes.len() + turn;
        record(&mut comparison, &mut met, (picture.name(), turn), |way| picture.hashes(&scratch, &mut sessions, way));
    }
    comparison.finish();
    let missed = ways::all().into_iter().flat_map(|way| [way.0, way.1.name()]).find(|name| !met.contains(name));
    assert!(list::is_written() || missed.is_none(), "{missed:?} has computed nothing");
}
