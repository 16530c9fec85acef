//! The ways of computing: every backend with every instruction set of this processor.

use fractal::backend::{self, BACKENDS, Session};
use fractal::kernel::Isa;
use std::collections::BTreeMap;

/// A backend's name and an instruction set.
pub(super) type Way = (&'static str, Isa);

/// All ways. Neighbours differ in the backend, so that a few of them meet most.
pub(super) fn all() -> Vec<Way> {
    let isas = Isa::available();
    isas.into_iter().flat_map(|isa| BACKENDS.iter().map(move |backend| (backend.name, isa))).collect()
}

/// The way that defines what is right, by which the list is written.
pub(super) const REFERENCE: Way = ("serial", Isa::Scalar);

/// Sessions that live as long as this, since to start worker processes takes longer than a scene.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<&'static str, Box<dyn Session>>);

impl Sessions {
    pub(super) fn of(&mut self, backend: &'static str) -> &mut dyn Session {
        let session = self.0.entry(backend).or_insert_with(|| {
            let program = backend::Program::at(env!("CARGO_BIN_EXE_fractal"));
            let options = backend::SessionOptions { workers: 2, program, ..Default::default() };
            backend::find(backend).unwrap().open(&options).unwrap()
        });
        &mut **session
    }
}
