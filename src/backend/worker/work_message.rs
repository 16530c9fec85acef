//! A work on its way to workers: its recipe and the list of its prepared parts are sent with every new work, the parts themselves
//! only to workers that lack them.
//!
//! Parts are identified by their contents, not by their names: a render's parts stay the same when its recipe changes, as it does
//! when a run is resumed, and another render's part of the same name is a different one. A worker keeps only the parts that its
//! newest work names, so that it needs no more memory than this work does, and its session knows without asking what it has.

use super::message;
use crate::error::{Error, Result};
use crate::parallel::{ALIGNMENT, Buffer, Key, Prepared, Recipe, Shared};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// A work to be sent.
#[derive(Debug)]
pub(crate) struct WorkMessage<'a> {
    recipe: &'a Recipe,
    prepared: &'a Prepared,
    /// The names and keys of its parts, as JSON.
    list: Vec<u8>,
    contents: Contents,
}

/// What identifies a work, and the parts that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Of everything that is sent except the parts' bytes, which their keys stand for.
    hash: u64,
    pub(crate) parts: Vec<Key>,
}

impl<'a> WorkMessage<'a> {
    pub(crate) fn new(recipe: &'a Recipe, prepared: &'a Prepared) -> Self {
        let named: Vec<_> = prepared.parts().map(|(name, key, _)| (name, key)).collect();
        let list = serde_json::to_vec(&named).expect("names and numbers are always JSON");
        let mut hasher = DefaultHasher::new();
        (&recipe.kind, &recipe.bytes, &list).hash(&mut hasher);
        let parts = named.into_iter().map(|(_, key)| key).collect();
        Self { recipe, prepared, list, contents: Contents { hash: hasher.finish(), parts } }
    }

    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Its message.
    pub(crate) fn message(&self) -> message::Work {
        let [kind, recipe, parts] = self.sections().map(|section| section.len() as u64);
        message::Work { kind, recipe, parts }
    }

    /// Sent with every work: the name of its kind, its recipe, the list of its parts.
    pub(crate) fn sections(&self) -> [&[u8]; 3] {
        [self.recipe.kind.as_bytes(), &self.recipe.bytes, &self.list]
    }

    /// The bytes of its parts, in the order of [`Contents::parts`].
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.prepared.parts().map(|(_, _, bytes)| bytes)
    }
}

/// What a worker has, as far as its session knows.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<Contents>);

impl Held {
    /// What must be sent to the worker before it computes a work: the work, and those of its parts that have these numbers. `None`
    /// if it has everything. The caller must send it, or give up this worker.
    pub(crate) fn lacks(&mut self, work: &Contents) -> Option<Vec<usize>> {
        if self.0.as_ref() == Some(work) {
            return None;
        }
        let held = self.0.replace(work.clone()).map_or(Vec::new(), |held| held.parts);
        let lacking = (0..work.parts.len()).filter(|&index| {
            let key = work.parts[index];
            !held.contains(&key) && !work.parts[..index].contains(&key)
        });
        let lacking: Vec<_> = lacking.collect();
        #[cfg(test)]
        tests::SENT.lock().unwrap().extend(lacking.iter().map(|&index| work.parts[index]));
        Some(lacking)
    }
}

/// The parts that a worker has: those of its newest work that have arrived.
#[derive(Default)]
pub(super) struct Stock {
    named: Vec<(Arc<str>, Key)>,
    kept: Vec<(Key, Shared)>,
}

impl Stock {
    /// Takes the list of a new work's parts. Parts that it does not name are dropped.
    ///
    /// # Errors
    /// [`Error::Input`] when the bytes are not a list.
    pub(super) fn expect(&mut self, list: &[u8]) -> Result<()> {
        let named = serde_json::from_slice::<Vec<(String, Key)>>(list);
        self.named =
            named.as_ref().map_or(&[][..], |named| named).iter().map(|(name, key)| (name[..].into(), *key)).collect();
        self.kept.retain(|(key, _)| self.named.iter().any(|(_, named)| named == key));
        named.map(|_| ()).map_err(|_| Error::Input("a worker got a damaged list of prepared parts".into()))
    }

    /// Takes a part. Where its bytes are not aligned, they are copied.
    ///
    /// # Errors
    /// [`Error::Input`] when the work does not name it, or its bytes do not match.
    pub(super) fn take(&mut self, key: Key, bytes: Shared) -> Result<()> {
        let content = (*bytes).as_ref();
        if content.len() as u64 != key.len || !self.named.iter().any(|(_, named)| *named == key) {
            return Err(Error::Input("a worker got a prepared part that its work does not name".into()));
        }
        let aligned = content.as_ptr().addr().is_multiple_of(ALIGNMENT);
        let bytes = if aligned { bytes } else { Arc::new(Buffer::from(content)) };
        self.kept.retain(|(kept, _)| *kept != key);
        self.kept.push((key, bytes));
        Ok(())
    }

    /// The prepared parts of the newest work.
    ///
    /// # Errors
    /// [`Error::Input`] when one of them has not arrived.
    pub(super) fn prepared(&self) -> Result<Prepared> {
        let find = |(name, key): &(Arc<str>, Key)| {
            let (_, bytes) = self.kept.iter().find(|(kept, _)| kept == key)?;
            Some((name.clone(), *key, bytes.clone()))
        };
        let parts: Option<Vec<_>> = self.named.iter().map(find).collect();
        let parts = parts.ok_or_else(|| Error::Input("a worker lacks a prepared part of its work".into()))?;
        Ok(Prepared::of(parts.into_iter()))
    }
}

#[cfg(test)]
mod tests;
