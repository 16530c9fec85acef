//! Fixed threads that take orders by a channel until it is closed: what `channel` and `tokio` share.

use crate::error::{Error, Result};
use crate::parallel::Worker;
use crate::parallel::pin::Pinning;
use crossbeam_channel::{Receiver, Sender};
use std::thread::{Builder, JoinHandle};

/// The threads and the way to them. Dropping it waits for the orders under way.
pub(super) struct Crew<O> {
    /// None while it is dropped.
    orders: Option<Sender<O>>,
    threads: Vec<JoinHandle<()>>,
}

impl<O: Send + 'static> Crew<O> {
    /// Starts `workers` threads that call `serve` with each order that `channel` brings.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when a thread cannot be started; those that were end.
    pub(super) fn start(
        workers: usize,
        pinning: Option<&Pinning>,
        (orders, inbox): (Sender<O>, Receiver<O>),
        serve: impl Fn(&mut Worker, O) + Clone + Send + 'static,
    ) -> Result<Self> {
        let mut crew = Self { orders: Some(orders), threads: Vec::new() };
        for index in 0..workers {
            let (inbox, pinning, serve) = (inbox.clone(), pinning.cloned(), serve.clone());
            let body = move || {
                // Pinning was tried when it was made; a processor lost since then is no reason to end.
                let _pinned = pinning.and_then(|pinning| pinning.pin(index).ok());
                let mut worker = Worker::new(index);
                inbox.iter().for_each(|order| serve(&mut worker, order));
            };
            let thread = Builder::new().name(format!("fractal-{index}")).spawn(body).map_err(|error| {
                Error::Unsupported(format!(
                    "worker {index} of {workers} cannot be started: {error}; ask for fewer workers"
                ))
            });
            crew.threads.push(thread?);
        }
        Ok(crew)
    }

    /// The number of threads.
    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    /// The way to them.
    pub(super) fn orders(&self) -> &Sender<O> {
        self.orders.as_ref().expect("it is there until the crew is dropped")
    }
}

impl<O> Drop for Crew<O> {
    fn drop(&mut self) {
        self.orders = None;
        for thread in self.threads.drain(..) {
            // A worker's panic was told when it happened.
            let _ = thread.join();
        }
    }
}
