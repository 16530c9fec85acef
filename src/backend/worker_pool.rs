//! Fixed threads that take orders from a channel until it is closed: shared by `channel` and `tokio`.

use super::Setup;
use crate::error::Result;
use crate::parallel::{Worker, WorkerReport, Workers};
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// The threads and the channel to them. Dropping it waits for the orders in flight.
pub(super) struct WorkerPool<O> {
    /// `None` only during the drop.
    orders: Option<Sender<O>>,
    threads: Vec<JoinHandle<()>>,
    /// Each thread locks its own for each order.
    workers: Arc<Workers>,
}

impl<O: Send + 'static> WorkerPool<O> {
    /// Starts threads that call `serve` with each order from the channel.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] when a thread cannot be started; those already started end.
    pub(super) fn start(
        setup: &Setup,
        (orders, inbox): (Sender<O>, Receiver<O>),
        serve: impl Fn(&mut Worker, O) + Clone + Send + 'static,
    ) -> Result<Self> {
        let workers = Arc::new(Workers::new(setup.workers));
        let mut pool = Self { orders: Some(orders), threads: Vec::new(), workers };
        for index in 0..setup.workers {
            let (inbox, first, serve, workers) = (inbox.clone(), setup.first(), serve.clone(), pool.workers.clone());
            let body = move || {
                first(index);
                inbox.iter().for_each(|order| serve(&mut workers.lock(index), order));
            };
            let thread = Builder::new().name(format!("fractal-{index}")).spawn(body);
            pool.threads.push(thread.map_err(|error| setup.refused(&error))?);
        }
        Ok(pool)
    }

    /// Sends an order.
    pub(super) fn order(&self, order: O) {
        // Not through a clone, whose counter costs as much as the message.
        let orders = self.orders.as_ref().expect("it is there until the pool is dropped");
        orders.send(order).expect("the workers live as long as the session");
    }

    /// The channel to the threads, for senders elsewhere.
    #[cfg(feature = "tokio")]
    pub(super) fn orders(&self) -> Sender<O> {
        self.orders.clone().expect("it is there until the pool is dropped")
    }

    /// What each worker has done since the last call; call it once all orders are answered.
    pub(super) fn take_reports(&self) -> Vec<WorkerReport> {
        self.workers.take_reports()
    }
}

impl<O> Drop for WorkerPool<O> {
    fn drop(&mut self) {
        self.orders = None;
        for thread in self.threads.drain(..) {
            // A worker's panic was reported when it happened.
            let _ = thread.join();
        }
    }
}
