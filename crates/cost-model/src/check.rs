//! What a profile must hold to be fitted.

use crate::profile::{Machine, Profile, Resident, SCHEMA, Timing, Work};

/// A profile that makes no sense: which key, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct FitError {
    /// Dotted path of the key (`timings[3].median-ns`).
    pub key: String,
    /// The value, and what is allowed instead.
    pub problem: String,
}

/// Numbers above this are no counts of a kernel's elements, nor a time of one in nanoseconds
/// (13 days).
pub(crate) const MOST: u64 = 1 << 50;

/// More times than this come from no measurement of a minute; fitting them would take long.
const TIMES_MOST: usize = 20_000;

impl Profile {
    /// Checks every number.
    ///
    /// # Errors
    /// The first one that is out of range.
    pub fn check(&self) -> Result<(), FitError> {
        within("schema".into(), self.schema.into(), SCHEMA.into(), SCHEMA.into())?;
        check_machine(&self.machine)?;
        if self.timings.is_empty() {
            let problem = "none; at least one time is needed".into();
            return Err(FitError { key: "timings".into(), problem });
        }
        if self.timings.len() > TIMES_MOST {
            let problem = format!("{}; up to {TIMES_MOST} are allowed", self.timings.len());
            return Err(FitError { key: "timings".into(), problem });
        }
        for (index, timing) in self.timings.iter().enumerate() {
            check_timing(timing, &format!("timings[{index}]"))?;
        }
        for (index, resident) in self.resident.iter().enumerate() {
            let key = |name: &str| format!("resident[{index}].{name}");
            let &Resident { format, rows, row_len, batch, .. } = resident;
            let work = Work::Matmul { format, rows, row_len, batch };
            check_work(&work).map_err(|error| FitError { key: key(&error.key), ..error })?;
            within(key("resident-bytes"), resident.resident_bytes.0, 1, MOST)?;
        }
        Ok(())
    }
}

/// Checks the numbers of a machine.
pub(crate) fn check_machine(machine: &Machine) -> Result<(), FitError> {
    let numbers = [
        ("machine.threads", machine.threads.into(), 1, u32::MAX.into()),
        ("machine.memory-bytes", machine.memory_bytes.0, 1, MOST),
        ("machine.free-bytes", machine.free_bytes.0, 1, machine.memory_bytes.0),
    ];
    let mut numbers = numbers.into_iter();
    numbers.try_for_each(|(key, value, least, most)| within(key.into(), value, least, most))
}

fn check_timing(timing: &Timing, path: &str) -> Result<(), FitError> {
    within(format!("{path}.median-ns"), timing.median_ns.0, 1, MOST)?;
    within(format!("{path}.mad-ns"), timing.mad_ns.0, 0, MOST)?;
    within(format!("{path}.repeats"), timing.repeats.into(), 1, u32::MAX.into())?;
    check_work(&timing.work).map_err(|FitError { key, problem }| FitError {
        key: format!("{path}.work.{key}"),
        problem,
    })
}

/// Checks the numbers of one work, whose products must not be absurd either.
pub(crate) fn check_work(work: &Work) -> Result<(), FitError> {
    let numbers = match *work {
        Work::Matmul { rows, row_len, batch, .. } => {
            vec![("rows", rows), ("row-len", row_len), ("batch", batch)]
        }
        Work::Attention { heads, kv_heads, head_dim, context, batch } => vec![
            ("heads", heads),
            ("kv-heads", kv_heads),
            ("head-dim", head_dim),
            ("context", context),
            ("batch", batch),
        ],
        Work::Norm { width, batch } | Work::Activation { width, batch } => {
            vec![("width", width), ("batch", batch)]
        }
        Work::Triad { threads, bytes } => vec![("threads", threads.into()), ("bytes", bytes.0)],
        Work::Dispatch {} => Vec::new(),
    };
    let mut product: u64 = 1;
    for (name, value) in numbers {
        within(name.into(), value, 1, MOST)?;
        product = product.saturating_mul(value);
        if product == u64::MAX {
            let problem = format!("{value}; the product of all counts must be below {}", u64::MAX);
            return Err(FitError { key: name.into(), problem });
        }
    }
    if let Work::Matmul { format, row_len, .. } = *work
        && format.bytes(1, row_len).is_none()
    {
        let elements = format.block_elements();
        let problem = format!("{row_len}; {format} needs a multiple of {elements}");
        return Err(FitError { key: "row-len".into(), problem });
    }
    Ok(())
}

pub(crate) fn within(key: String, value: u64, least: u64, most: u64) -> Result<(), FitError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let allowed = match least == most {
        true => format!("{least} is allowed"),
        false => format!("{least} to {most} are allowed"),
    };
    Err(FitError { key, problem: format!("{value}; {allowed}") })
}
