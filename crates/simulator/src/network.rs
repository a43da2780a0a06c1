//! The event loop: servers that do one thing at a time, first come first served.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use edgeplan_problem::Nanos;

/// What a server did: one bar of a Gantt chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Index into [`Layout::servers`](crate::Layout::servers).
    pub server: usize,
    /// The lane or micro-batch.
    pub job: usize,
    /// Whether prompts were read.
    pub prompt: bool,
    /// From when.
    pub start: Nanos,
    /// Until when.
    pub end: Nanos,
}

/// Which bars are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Those that end then or later,
    pub from: Nanos,
    /// as many as this.
    pub count: usize,
}

impl Keep {
    /// Every bar.
    pub const ALL: Self = Self { from: Nanos::ZERO, count: usize::MAX };
}

/// What a job asks of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    pub(crate) job: u32,
    pub(crate) prompt: bool,
    pub(crate) time: Nanos,
}

/// The end of a task. Those at the same time come in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    time: Nanos,
    sequence: u64,
    server: u32,
    job: u32,
}

#[derive(Debug, Default)]
struct Queue {
    serving: bool,
    waiting: VecDeque<Task>,
    busy: Nanos,
}

/// Servers, their queues, and the clock.
#[derive(Debug)]
pub(crate) struct Network {
    queues: Vec<Queue>,
    events: BinaryHeap<Reverse<Event>>,
    now: Nanos,
    sequence: u64,
    spans: Vec<Span>,
    keep: Keep,
}

impl Network {
    /// Idle servers at time zero.
    pub(crate) fn new(servers: usize, keep: Keep) -> Self {
        Self {
            queues: (0..servers).map(|_| Queue::default()).collect(),
            events: BinaryHeap::with_capacity(servers + 1),
            now: Nanos::ZERO,
            sequence: 0,
            spans: Vec::new(),
            keep,
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    /// Moves the clock on to an event that is not of a server.
    pub(crate) fn wait_until(&mut self, time: Nanos) {
        debug_assert!(self.now <= time && self.next_time().is_none_or(|next| time <= next));
        self.now = time;
    }

    /// Begins the task, or queues it behind those that came before.
    pub(crate) fn submit(&mut self, server: usize, task: Task) {
        let queue = &mut self.queues[server];
        if queue.serving {
            queue.waiting.push_back(task);
        } else {
            queue.serving = true;
            self.begin(server, task);
        }
    }

    fn begin(&mut self, server: usize, task: Task) {
        let event = self.event(server, task);
        self.events.push(Reverse(event));
    }

    /// Books a task that begins now; its end.
    fn event(&mut self, server: usize, task: Task) -> Event {
        let Task { job, prompt, time } = task;
        self.queues[server].busy += time;
        let end = self.now + time;
        if self.spans.len() < self.keep.count && end >= self.keep.from {
            let (start, job) = (self.now, job as usize);
            self.spans.push(Span { server, job, prompt, start, end });
        }
        self.sequence += 1;
        Event { time: end, sequence: self.sequence, server: server as u32, job }
    }

    /// When the next task ends.
    pub(crate) fn next_time(&self) -> Option<Nanos> {
        self.events.peek().map(|Reverse(event)| event.time)
    }

    /// Ends the next task: its server turns to the next one in its queue. Returns the job.
    pub(crate) fn next_job(&mut self) -> Option<usize> {
        let &Reverse(Event { time, server, job, .. }) = self.events.peek()?;
        self.now = time;
        let server = server as usize;
        match self.queues[server].waiting.pop_front() {
            Some(task) => {
                let next = Reverse(self.event(server, task));
                // Cheaper than taking one out and putting another in.
                if let Some(mut top) = self.events.peek_mut() {
                    *top = next;
                }
            }
            None => {
                self.queues[server].serving = false;
                self.events.pop();
            }
        }
        Some(job as usize)
    }

    /// Tasks that have begun so far.
    pub(crate) fn events(&self) -> u64 {
        self.sequence
    }

    /// Busy time by server, and the bars.
    pub(crate) fn finish(self) -> (Vec<Nanos>, Vec<Span>) {
        (self.queues.into_iter().map(|queue| queue.busy).collect(), self.spans)
    }
}
