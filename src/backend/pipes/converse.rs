//! The messages between the session and one worker in a run.

use super::LONGEST;
use super::member::{Member, WorkerSlot};
use super::run::{Given, Run};
use crate::backend::worker::Held;
use crate::backend::worker::frame::{self, Head, Tail};
use crate::backend::worker::message::{self, Beat, Compute, Done, Failed, Hello, Message as _, Part, RunBegins};
use crate::error::Error;
use crate::parallel::{Claims, FinishedClaim, Job, Key, MAX_COUNTS, Worker};
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How many claims a worker has in flight at most, and about how long they should last together: as long as the threads that
/// deliver its results may wait for a processor when there are no more processors than workers. With 8 ms, workers sometimes waited
/// 1 to 4 ms.
const DEPTH: usize = 64;
const AHEAD: Duration = Duration::from_millis(24);

/// How long they should last towards the end, where none should have many while others have none: the latency of a result, and at
/// most this part of the time so far.
const ENDING: Duration = Duration::from_millis(2);
const ENDING_PART: u32 = 16;

/// A worker's queue, and how much it is given at once.
struct List<'a, 'b> {
    own: &'a mut Claims<'b>,
    todo: &'a mut VecDeque<Given>,
    given: &'a mut VecDeque<Given>,
    depth: usize,
    requests: Vec<u64>,
}

impl Run<'_> {
    /// Lets the worker compute until nothing is left or it is lost; the error says why, if not by its own end.
    pub(super) fn converse(
        &self,
        place: &mut WorkerSlot,
        own: &mut Claims<'_>,
        todo: &mut VecDeque<Given>,
        given: &mut VecDeque<Given>,
        tail: &mut Tail,
    ) -> Result<(), Option<&'static str>> {
        let WorkerSlot { worker, member, .. } = place;
        let Some(member) = member else { return Err(None) };
        member.live.busy.store(true, Ordering::Relaxed);
        self.begin(member).map_err(|_| None)?;
        // One claim at a time, to find the one that costs workers.
        let depth = if self.losses.any() { 1 } else { self.share(self.job.grain()).clamp(1, 4) };
        let mut list = List { own, todo, given, depth, requests: Vec::new() };
        let mut told = self.fill(member, &mut list);
        let (mut pace, mut since, mut claimed, began) = (None, None, None, Instant::now());
        loop {
            let Some(first) = list.given.front() else { return if told { Ok(()) } else { Err(None) } };
            if claimed.replace(first.start) != Some(first.start) {
                self.job.claimed(worker.index(), first.clone());
            }
            let most = (8 * (first.len() + MAX_COUNTS) + self.job.room(first.clone())) as u64;
            let limit = |head: &Head| if head.kind == Done::KIND { most } else { LONGEST };
            let is_first = !member.greeted;
            let head = match member.read(tail, limit) {
                Ok(Some(head)) => head,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(Some("sent an invalid message"));
                }
                Ok(None) | Err(_) => return Err(None),
            };
            match head.kind {
                Hello::KIND if is_first => {
                    member.live.sign();
                    if let Err(error) = self.program.welcome(head, tail) {
                        let _ = self.job.fail(error);
                        return Err(None);
                    }
                }
                Failed::KIND if is_first => return Err(Some("could not start")),
                _ if is_first => return Err(Some("sent an invalid message")),
                Beat::KIND => member.beats(Beat::of(head.numbers).progress),
                Failed::KIND => {
                    let Failed { run, claim } = Failed::of(head.numbers);
                    let unknown = || Error::Input(format!("worker {} failed without a reason", worker.index()));
                    let error = message::unpack(tail.bytes()).unwrap_or_else(unknown);
                    if run == 0 {
                        // It may not have received what it was sent.
                        member.held = Held::default();
                    }
                    if run == self.number || run == 0 {
                        let _ = self.job.fail(error);
                    }
                    if claim == 1 {
                        member.live.sign();
                        list.given.pop_front();
                    }
                }
                Done::KIND => {
                    let now = Instant::now();
                    let done = result(self.job, self.number, worker.index(), &head, tail.bytes(), first.clone())
                        .ok_or(Some("sent an invalid result"))?;
                    if let Some(since) = since {
                        // Results that were held up arrive in quick succession.
                        let time = now.duration_since(since).max(done.ended - done.began) / first.len() as u32;
                        let pace = *pace.insert(pace.map_or(time, |pace: Duration| (7 * pace + time) / 8));
                        // The next ones are as the last one given: under most schedules claims become smaller.
                        let pieces = list.given.back().map_or(first.len(), Range::len);
                        list.depth = self.depth(pace * pieces as u32, pieces, began.elapsed());
                    }
                    since = Some(now);
                    member.live.sign();
                    list.given.pop_front();
                    // The worker stays busy while its result is delivered.
                    told = self.fill(member, &mut list);
                    // Meanwhile its messages are not read.
                    member.live.busy.store(false, Ordering::Relaxed);
                    self.deliver(worker, &done);
                    member.live.busy.store(true, Ordering::Relaxed);
                }
                _ => return Err(Some("sent an invalid message")),
            }
        }
    }

    /// How many claims of `pieces` pieces a worker could be given if every worker got as many, and the same number remained; or all, if
    /// it is the only one.
    fn share(&self, pieces: usize) -> usize {
        let left = self.job.pieces().saturating_sub(self.given.load(Ordering::Relaxed));
        if self.workers == 1 { left.div_ceil(pieces) } else { left / (2 * self.workers * pieces) }
    }

    /// How many claims of `pieces` pieces to give a worker that finishes one in `pace`, after `passed` of the run. Towards the end
    /// no worker has many while others have none, and only one if claims take long.
    fn depth(&self, pace: Duration, pieces: usize, passed: Duration) -> usize {
        let claims = |time: Duration| (time.as_nanos() / pace.as_nanos().max(1)) as usize;
        let share = self.share(pieces);
        claims(AHEAD)
            .clamp(share.clamp(1, 2), DEPTH)
            .min(share.max(claims(ENDING.min(passed / ENDING_PART)).clamp(2, DEPTH)))
    }

    /// Gives the worker more claims if it has few. False when it can no longer be reached.
    fn fill(&self, member: &Member, list: &mut List<'_, '_>) -> bool {
        let List { own, todo, given, depth, requests } = list;
        // Many requests are sent in batches.
        if given.len() > *depth * 3 / 4 || self.job.is_over() {
            return true;
        }
        requests.clear();
        while given.len() < *depth
            && let Some(next) = self.own(own, todo)
        {
            requests.extend([next.start as u64, next.end as u64]);
            given.push_back(next);
        }
        let send = || member.live.send(Compute { run: self.number }, &[bytemuck::cast_slice(requests)]);
        if requests.is_empty() || send().is_ok() {
            return true;
        }
        // It has ended, perhaps after sending results; claims that it never received are not its fault.
        let untold = given.split_off(given.len() - requests.len() / 2);
        untold.into_iter().rev().for_each(|given| todo.push_front(given));
        false
    }

    /// Starts the run on a worker, after sending the work and its parts if it lacks them.
    fn begin(&self, member: &mut Member) -> io::Result<()> {
        let (live, work) = (&member.live, self.work_message.contents());
        // A short work and the begin go at once: each message of its own would wake the worker.
        let mut bytes = Vec::new();
        if let Some(lacking) = member.held.lacks(work) {
            let message = self.work_message.message();
            frame::write(&mut bytes, message::Work::KIND, &message.numbers(), &self.work_message.sections())?;
            for (index, part) in self.work_message.parts().enumerate().filter(|(index, _)| lacking.contains(index)) {
                live.send_bytes(&mem::take(&mut bytes))?;
                let Key { hash, len } = work.parts[index];
                live.send(Part { hash, len }, &[part])?;
            }
        }
        let (run, pieces, origin) = (self.number, self.job.pieces() as u64, self.origin);
        let begins = RunBegins { run, pieces, origin, cut: 0, size: 0 };
        frame::write(&mut bytes, RunBegins::KIND, &begins.numbers(), &[])?;
        live.send_bytes(&bytes)
    }

    /// Delivers a result, unless the run is over.
    pub(super) fn deliver(&self, worker: &mut Worker, done: &FinishedClaim<'_>) {
        if !self.job.is_over() {
            worker.count(done);
            let _ = self.job.deliver(done);
            self.losses.delivered(done.range.start);
        }
    }
}

/// The result of claim `first` of run `number` in a message, if it is valid.
fn result<'a>(
    job: &'a Job,
    number: u64,
    worker: usize,
    head: &Head,
    tail: &'a [u8],
    first: Range<usize>,
) -> Option<FinishedClaim<'a>> {
    let Done { run, first: start, sizes, executed, began, ended } = Done::of(head.numbers);
    let (pieces, counts) = ((sizes >> 32) as usize, sizes as u32 as usize);
    if run != number || start as usize != first.start || pieces != first.len() || counts > MAX_COUNTS {
        return None;
    }
    let (costs, rest) = tail.split_at_checked(8 * pieces)?;
    let (counts, bytes) = rest.split_at_checked(8 * counts)?;
    if job.whole(bytes, first.clone()) != Some(bytes.len()) {
        return None;
    }
    Some(FinishedClaim {
        work: job.work(),
        range: first,
        bytes,
        lengths: job.lengths(),
        costs: bytemuck::cast_slice(costs),
        executed,
        counts: bytemuck::cast_slice(counts),
        worker,
        began: Duration::from_nanos(began),
        ended: Duration::from_nanos(ended.max(began)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::worker::made;

    /// What a session reads from a message about pieces 3 and 4, which must be within the message.
    fn taken(varies: bool, numbers: [u64; 6], words: &[u64]) -> Option<Vec<Vec<u8>>> {
        let job = made::job(varies);
        let head = Head { kind: Done::KIND, numbers };
        let done = result(&job, 7, 0, &head, bytemuck::cast_slice(words), 3..5)?;
        Some(done.pieces().map(|piece| piece.bytes.to_vec()).collect())
    }

    const NUMBERS: [u64; 6] = [7, 3, 2 << 32 | 1, 5, 0, 0];

    #[test]
    fn a_result_is_what_was_given() {
        assert_eq!(taken(false, NUMBERS, &[1, 1, 99, 8, 9]).unwrap(), [8u64, 9].map(|n| n.to_ne_bytes().to_vec()));
        // Two costs, one count, a length of 0 and one of 9.
        let words = [1, 1, 99, 0, 9, u64::MAX, 255];
        assert_eq!(
            taken(true, NUMBERS, &words).unwrap(),
            [vec![], vec![255, 255, 255, 255, 255, 255, 255, 255, u64::to_ne_bytes(255)[0]]]
        );
    }

    #[test]
    fn what_a_worker_gone_wild_says_is_no_result() {
        let good = [1, 1, 99, 0, 9, u64::MAX, 255];
        for len in 0..good.len() {
            assert_eq!(taken(true, NUMBERS, &good[..len]), None, "cut to {len} words");
            assert_eq!(taken(false, NUMBERS, &good[..len]).is_some(), len == 5, "cut to {len} words");
        }
        assert_eq!(taken(true, NUMBERS, &[&good[..], &[0]].concat()), None, "trailing bytes");
        for len in [10, 16, 1 << 32, u64::MAX - 7, u64::MAX] {
            assert_eq!(taken(true, NUMBERS, &[1, 1, 99, 0, len, 1, 2]), None, "a length of {len}");
            assert_eq!(taken(true, NUMBERS, &[1, 1, 99, len, 0, 1, 2]), None, "a length of {len}");
        }
        for sizes in [0, 1 << 32, 3 << 32 | 1, 2 << 32 | 2, 2 << 32 | 33, u64::MAX] {
            assert_eq!(taken(true, [7, 3, sizes, 5, 0, 0], &good), None, "sizes {sizes:x}");
        }
        for (at, wrong) in [(0, 8), (1, 4), (1, u64::MAX)] {
            let mut numbers = NUMBERS;
            numbers[at] = wrong;
            assert_eq!(taken(true, numbers, &good), None);
        }
    }
}
