//! A lock that passes from who has it to who asked first. The standard library's would mostly go to who has just released it, which
//! CPython takes care to avoid as well.

use std::sync::{Condvar, Mutex};

/// The next ticket, and the one whose turn it is.
#[derive(Default)]
pub(crate) struct FairLock(Mutex<(u64, u64)>, Condvar);

impl FairLock {
    pub(crate) fn take(&self) {
        let mut tickets = self.0.lock().expect("no holder panics");
        let mine = tickets.0;
        tickets.0 += 1;
        drop(self.1.wait_while(tickets, |tickets| tickets.1 != mine).expect("no holder panics"));
    }

    pub(crate) fn release(&self) {
        self.0.lock().expect("no holder panics").1 += 1;
        self.1.notify_all();
    }
}
