//! The guide's prose: what decides between two models that are often confused. A figure stands in braces as `{backend.figure}`.

/// A heading, and paragraphs or items of a list, which begin with `- `.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) parts: &'static [&'static str],
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Threads or processes",
        parts: &[
            "In Python the interpreter's lock decides: threads take turns, so what computes needs processes (the lesson `gil`). Without \
             such a lock threads compute side by side, and what decides is what a fault may cost. A thread that crashes ends the \
             program. A process that crashes, is killed, hangs or runs out of memory costs the piece that it was computing.",
            "Processes cost more: {processes.start} to start instead of {threads.start}, {processes.memory} of memory for each further \
             worker instead of {threads.memory}, and {processes.piece} for an empty piece with shared memory, {pipes.piece} with pipes, \
             instead of {threads.piece}. Pieces must be longer to be worth it: {processes.metg90} for 90 % efficiency with `processes`, \
             {pipes.metg90} with `pipes`, {threads.metg90} with `threads`. And a work must be made anew in the other process, from a \
             recipe.",
            "So choose threads, unless a piece runs code that you do not trust to return.",
        ],
    },
    Section {
        title: "Async or true parallelism",
        parts: &[
            "They answer different questions. Asynchronous tasks wait at the same time: ten thousand of them need one thread. Parallel \
             workers compute at the same time: two of them need two processors, and more than there are processors gain nothing. The \
             lesson `concurrency` draws both.",
            "A task that computes stops all others of its thread until it awaits: the lesson `asyncio --block` shows a ticker that \
             stops. Who has both hands what computes to a pool of threads and awaits its answer. That is the backend `tokio`. It makes \
             an empty piece cost {tokio.piece} instead of {threads.piece}: a task pays if it waits, and costs if it only computes.",
        ],
    },
    Section {
        title: "Futures or a pool",
        parts: &[
            "A pool's `map`, or a loop over a team, knows all pieces beforehand: the next is the next number of a counter, at \
             {threads.piece} with `threads` and {rayon.piece} with `rayon`. A future is made for each call: {futures.piece}. Its use is \
             that calls come one by one, from different places, and that each has a result, an error and a cancellation of its own (the \
             lesson `executor`).",
            "So choose a loop where there is a loop, and futures where there is none. Two habits from Python are traps in both: \
             submitting millions of calls at once, which queues them all (bound those that are pending, as `futures` does), and \
             forgetting to ask a future for its result, which loses its error.",
        ],
    },
    Section {
        title: "Reactor or async",
        parts: &[
            "Both are one thread that asks the system which of many connections can continue. A reactor then calls a function that you \
             registered, so a conversation is cut into callbacks that keep its state by hand: Twisted's way. With `async` the compiler \
             or the interpreter cuts it at each `await`, and keeps the state. The program reads as if it waited, and errors and \
             cancelling work as they do elsewhere.",
            "So choose async. A reactor of your own is for where every byte counts, or where there is no runtime. Green threads (the \
             backend `fibers`, gevent in Python) are the third way: nothing has to be written differently, for a stack for each.",
            "All of them are in this program, each a file in `src/waiting/`: `reactor`, `tokio` and `fibers`. What they cost is below.",
        ],
    },
    Section {
        title: "Three questions",
        parts: &[
            "- *How do I get the status of 1,000 URLs at once?* `fractal status urls.txt`. A pool of threads is enough, or a thread for each; \
             ten thousand should be tasks. `fractal guide --ask wait,1000` and `fractal guide --ask wait,10000` say so, and the lesson \
             `asyncio` shows tasks with a timeout and with cancelling.",
            "- *How can I run my test suite in parallel?* A process for each command, so many at once: the lesson `commands`, with \
             outputs whole and in order, timeouts, and an exit status that counts the failures.",
            "- *How do I compute millions of jobs that come from a queue?* Inside one program the queue is a bounded channel: the \
             backend `channel`, {channel.piece} for an empty piece. Between machines it needs a broker that gives a job again if its \
             worker is lost. Not built yet; what there is are shares that are fixed beforehand, `fractal render --shard` \
             ([shards](shards.md)).",
        ],
    },
    Section {
        title: "Four levels of concurrency",
        parts: &[
            "From the outside to the inside: machines, processes, threads, tasks. Each contains the next, costs less than the one \
             before, and protects less.",
            "- **Machines.** Nothing is shared but messages; any of them may vanish. Pitfall: virtual machines may share a host. Two of \
             them then wait for one core, and neither sees why. The time that the host takes away is called steal time: `fractal bench` \
             reports it, and warns.",
            "- **Processes.** Memory is shared only where it is asked for; a crash costs one of them. Pitfall: a pool in each of several \
             programs. Each believes that all processors are its own.",
            "- **Threads.** All memory is shared; a crash ends all. Pitfall: what two of them write at the same time (the lessons `race` \
             and `sharing`).",
            "- **Tasks and fibers.** They take turns where they say so, so what lies between two awaits needs no lock. Pitfall: one that \
             does not give way stops all (the lesson `asyncio --block`).",
            "*Two kinds at once.* Four processes with four threads each are sixteen workers on your four processors: give the outer \
             level the processors, and the inner one a single worker. Regions do so by themselves: one inside another has one worker \
             unless the settings allow more (`OMP_MAX_ACTIVE_LEVELS`), and `OMP_THREAD_LIMIT` holds for all of them together.",
            "*`run_in_executor`.* It is the door from tasks to threads, and what blocks must go through it. The default executor of \
             Python's loop is a small pool, so a few blocked calls fill it and the next waits although the loop is free: give what \
             blocks for long a pool of its own. What computes is not helped by it in Python: the threads share the interpreter's lock.",
            "*What became of tulip?* It was the working name of what is `asyncio` since Python 3.4 (PEP 3156). Its coroutines were \
             generators with `yield from`; `async` and `await` replaced them in Python 3.5, and the decorator for the old ones was \
             removed in 3.11. Do we ever need threads directly again? For computing, yes: tasks gain nothing there.",
        ],
    },
    Section {
        title: "What not to mix",
        parts: &[
            "Each of these works in small and stops in large; the lesson `streams` shows all four harms and their cures.",
            "- A call that blocks, in an event loop: it goes to a thread beside the loop.",
            "- A lock of threads, held where a task awaits: release it first, or use the runtime's own lock.",
            "- A pool's `map`, called by a task: the pool answers by a channel that the task awaits. A runtime inside a runtime is \
             refused.",
            "- `fork` beside threads: the child has only the thread that forked, and the locks of all. Fork first, or start programs \
             anew, as `processes` does.",
        ],
    },
];
