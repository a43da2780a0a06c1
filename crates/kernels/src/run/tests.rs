//! Runs on a made-up machine with a made-up clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;

const MS: u64 = 1_000_000;

/// A machine on which time passes only when it works.
#[derive(Clone, Default)]
struct Machine(Rc<State>);

#[derive(Default)]
struct State {
    now: Cell<u64>,
    /// Names of the kernels that ran, in order.
    ran: RefCell<Vec<String>>,
    /// From the first moment to the second everything takes twice as long.
    slow: Cell<(u64, u64)>,
}

impl Clock for Machine {
    fn now(&self) -> Nanos {
        Nanos(self.0.now.get())
    }
}

/// Nanoseconds: q5_1 is slow, everything else takes a millisecond.
fn cost(work: &Work) -> u64 {
    match work {
        Work::Matmul { format: Format::Q5_1, batch, .. } => batch * 40 * MS,
        _ => MS,
    }
}

impl Engine for Machine {
    fn needs(&self, task: &Task) -> Bytes {
        match task {
            Task::Time(Work::Matmul { rows, .. }) if *task != Task::Time(drift::REFERENCE) => {
                Bytes(*rows)
            }
            _ => Bytes(1),
        }
    }

    fn prepare(&mut self, work: &Work) -> Result<Kernel, EngineError> {
        if let Work::Matmul { format: Format::Q8_1, .. } = work {
            return Err(EngineError("no such kernel".into()));
        }
        let (state, work) = (Rc::clone(&self.0), *work);
        Ok(Box::new(move || {
            let now = state.now.get();
            let (from, to) = state.slow.get();
            let slow = (from..to).contains(&now);
            state.now.set(now + cost(&work) * if slow { 2 } else { 1 });
            state.ran.borrow_mut().push(work.name());
            Ok(())
        }))
    }

    fn resident(&mut self, format: Format) -> Result<Vec<Resident>, EngineError> {
        let (rows, row_len, batch, resident_bytes) = (16, 256, 2, Bytes(25));
        Ok(vec![Resident { format, rows, row_len, batch, resident_bytes }])
    }
}

fn matmul(format: Format, rows: u64, batch: u64) -> Task {
    Task::Time(Work::Matmul { format, rows, row_len: 256, batch })
}

/// Records on that machine.
fn record(machine: &Machine, tasks: &[Task], time_ms: u64, memory: u64) -> Recording {
    record_until(machine, tasks, time_ms, memory, usize::MAX)
}

/// Records on that machine; interrupted before the task of that number.
fn record_until(
    machine: &Machine,
    tasks: &[Task],
    time_ms: u64,
    memory: u64,
    last: usize,
) -> Recording {
    let stop = AtomicBool::new(false);
    let mut seen = Vec::new();
    let mut run = Run {
        clock: machine,
        engine: &mut machine.clone(),
        time: Nanos(time_ms * MS),
        memory: Bytes(memory),
        stop: &stop,
        progress: &mut |progress: &Progress| {
            seen.push(progress.done);
            stop.store(progress.done >= last, Ordering::Relaxed);
        },
    };
    let recording = run.record(tasks);
    assert_eq!(seen, (0..tasks.len()).collect::<Vec<_>>());
    recording
}

#[test]
fn what_fits_is_complete_and_without_notes() {
    let tasks = [
        Task::Time(Work::Dispatch {}),
        Task::Resident(Format::Q4K),
        matmul(Format::Q4K, 16, 1),
        matmul(Format::Q4K, 16, 128),
    ];
    let recording = record(&Machine::default(), &tasks, 10_000, 100);
    assert!(recording.complete && recording.notes.is_empty(), "{:?}", recording.notes);
    assert_eq!(recording.timings.len(), 3);
    assert_eq!(recording.resident[0].resident_bytes, Bytes(25));
    for timing in recording.timings {
        assert_eq!((timing.median_ns, timing.mad_ns), (Nanos(MS), Nanos(0)));
        assert_eq!(timing.repeats, 5, "steady work needs no more");
    }
}

#[test]
fn an_interruption_keeps_what_was_measured() {
    let tasks: Vec<Task> = (1..=6).map(|batch| matmul(Format::Q4K, 16, batch)).collect();
    let recording = record_until(&Machine::default(), &tasks, 10_000, 100, 4);
    assert_eq!((recording.timings.len(), recording.complete), (4, false));
    let note = "2 of 6 left out, they were not reached before the interruption: \
                matmul/q4_K/16x256/5, matmul/q4_K/16x256/6";
    assert_eq!(recording.notes, [note]);
    let recording = record_until(&Machine::default(), &tasks, 10_000, 100, 0);
    assert_eq!((recording.timings.len(), recording.complete), (0, false));
}

#[test]
fn what_needs_too_much_memory_is_left_out_and_named() {
    let tasks =
        [matmul(Format::Q4K, 16, 1), matmul(Format::Q4K, 4096, 1), matmul(Format::Q4K, 32, 1)];
    let recording = record(&Machine::default(), &tasks, 10_000, 100);
    assert_eq!((recording.timings.len(), recording.complete), (2, false));
    let note = "1 of 3 left out, they need more than the 100 B that may be used: \
                matmul/q4_K/4096x256/1";
    assert_eq!(recording.notes, [note]);
}

#[test]
fn a_machine_without_memory_measures_nothing_and_says_so() {
    let recording = record(&Machine::default(), &[matmul(Format::Q4K, 16, 1)], 10_000, 0);
    assert!(recording.timings.is_empty() && !recording.complete);
    assert!(recording.notes[0].contains("need more than the 0 B"), "{:?}", recording.notes);
    assert!(recording.notes[1].starts_with("no reference kernel ran"), "{:?}", recording.notes);
}

#[test]
fn time_is_kept_and_the_first_tasks_come_first() {
    let tasks: Vec<Task> = (1..=1000).map(|rows| matmul(Format::Q4K, rows, 1)).collect();
    let machine = Machine::default();
    let recording = record(&machine, &tasks, 500, 10_000);
    // One run each is what a share of half a millisecond allows.
    assert!((250..500).contains(&recording.timings.len()), "{}", recording.timings.len());
    assert!(machine.now() <= Nanos(530 * MS), "{}", machine.now());
    let rows = recording.timings.iter().map(|timing| match timing.work {
        Work::Matmul { rows, .. } => rows,
        _ => 0,
    });
    assert!(rows.eq(1..=recording.timings.len() as u64));
    assert!(!recording.complete && recording.notes[0].contains("not reached within"));
}

#[test]
fn a_slow_format_does_not_take_the_time_of_the_others() {
    let mut tasks: Vec<Task> = [1, 8, 128].map(|batch| matmul(Format::Q5_1, 16, batch)).to_vec();
    tasks.extend((1..=50).map(|rows| matmul(Format::Q4K, rows, 1)));
    let recording = record(&Machine::default(), &tasks, 4_000, 100);
    let note = "1 of 53 left out, they would take too much of the 4.000 s: matmul/q5_1/16x256/128";
    assert_eq!(recording.notes, [note]);
    assert_eq!(recording.timings.len(), 52);
}

#[test]
fn what_the_engine_cannot_run_is_named_with_its_reason() {
    let tasks = [matmul(Format::Q8_1, 16, 1), matmul(Format::Q4K, 16, 1)];
    let recording = record(&Machine::default(), &tasks, 10_000, 100);
    assert_eq!(recording.timings.len(), 1);
    let note = "1 of 2 left out, they cannot be run: no such kernel: matmul/q8_1/16x256/1";
    assert_eq!(recording.notes, [note]);
}

#[test]
fn throttling_is_noticed() {
    let tasks: Vec<Task> = (1..=1000).map(|rows| matmul(Format::Q4K, rows, 1)).collect();
    let machine = Machine::default();
    machine.0.slow.set((1000 * MS, u64::MAX));
    let recording = record(&machine, &tasks, 2_000, 10_000);
    let found = recording.notes.iter().any(|note| note.contains("100 % slower"));
    assert!(found, "{:?}", recording.notes);
    let references =
        machine.0.ran.borrow().iter().filter(|ran| **ran == drift::REFERENCE.name()).count();
    assert!(references >= 6 * 10, "{references}");
    let doubts = recording.notes.iter().any(|note| note.contains("while other work ran"));
    assert!(doubts, "{:?}", recording.notes);
}

#[test]
fn what_other_work_disturbed_is_done_again() {
    let tasks: Vec<Task> = (1..=100).map(|rows| matmul(Format::Q4K, rows, 1)).collect();
    let machine = Machine::default();
    machine.0.slow.set((300 * MS, 700 * MS));
    let recording = record(&machine, &tasks, 20_000, 10_000);
    let times: Vec<Nanos> = recording.timings.iter().map(|timing| timing.median_ns).collect();
    assert_eq!(times, vec![Nanos(MS); 100]);
    assert!(recording.complete && recording.notes.is_empty(), "{:?}", recording.notes);
}

#[test]
fn guesses_grow_with_the_matrix_and_from_eight_rows_on_with_the_batch() {
    let mut speeds = Speeds::default();
    let Task::Time(known) = matmul(Format::Q4K, 16, 8) else { unreachable!() };
    let sample = Sample { median: Nanos(100), mad: Nanos(0), repeats: 5 };
    speeds.learn(&timing(known, &sample));
    let guess = |format, rows, batch| speeds.guess(&matmul(format, rows, batch));
    assert_eq!(guess(Format::Q4K, 32, 128), Some(Nanos(100 * 2 * 16)));
    assert_eq!(guess(Format::Q4K, 16, 1), None);
    assert_eq!(guess(Format::Q8_0, 16, 8), None);
}
