use edgeplan_cost_model::engine::{EngineKernel, Spread};
use edgeplan_problem::Nanos;
use edgeplan_problem::format::Format;

use super::*;

fn options(programs: &Path) -> Options {
    let (models, size) = (Vec::new(), Size::Quick);
    Options { programs: programs.into(), models, size, threads: None, cpu: true }
}

/// A test that llama-bench printed.
fn test() -> Test {
    let line = "{\"build_commit\": \"abc\", \"gpu_info\": \"\", \"backends\": \"CPU\", \
        \"n_threads\": 2, \"type_k\": \"f16\", \"n_prompt\": 4, \"n_gen\": 0, \"samples_ns\": [9]}";
    bench::tests(line).unwrap().remove(0)
}

/// A profile that lacks nothing of the quick grid.
fn whole() -> EngineProfile {
    let time = Spread { min_ns: Nanos(9), median_ns: Nanos(9), mad_ns: Nanos(0), repeats: 1 };
    let made = grid::models(Size::Quick, true, &[]);
    let mut passes: Vec<Pass> =
        made.iter().flat_map(|made| made.cells.passes(&made.name)).collect();
    passes.extend(grid::remote().map(|model| grid::step(&model, Way::Remote)));
    passes.extend(grid::served().map(|model| grid::step(&model, Way::Served)));
    let (format, rows, row_len) = (Format::Q8_0, 4096, 14336);
    let (heads, kv_heads, head_dim, context) = (32, 8, 64, 7680);
    let kernels = [
        EngineKernel::Product { format, rows, row_len, batch: 1 },
        EngineKernel::Experts { format, used: 4, of: 32, rows, row_len, batch: 1 },
        EngineKernel::Attention { heads, kv_heads, head_dim, context, batch: 1, cache: format },
        EngineKernel::Copy { from: Format::F32, to: Format::F16, elements: 9 },
    ];
    EngineProfile {
        passes: passes.into_iter().map(|pass| PassTiming { pass, time }).collect(),
        kernels: kernels.map(|kernel| KernelTiming { kernel, time }).into(),
        ..empty(&test(), None)
    }
}

#[test]
fn what_was_measured_before_is_kept() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let mut seen = 0;
    let before = whole();
    let found = profile(
        &options(folder.path()),
        Some(before.clone()),
        &stop,
        &mut |progress| seen = progress.all,
        &mut |_| Ok(()),
    )
    .unwrap();
    assert!(found.complete && seen > 20, "{seen}");
    assert_eq!((found.passes, found.kernels), (before.passes, before.kernels));
}

#[test]
fn the_first_cell_that_is_missing_needs_its_program() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let measure = |before: EngineProfile| {
        profile(&options(folder.path()), Some(before), &stop, &mut |_| {}, &mut |_| Ok(()))
    };
    let mut before = whole();
    before.passes.retain(|one| one.pass.way != Way::Served);
    // Other cells stand without a server.
    let found = measure(before.clone()).unwrap();
    let is_missing = |note: &String| note.contains("`llama-server` is missing");
    assert!(!found.complete && found.notes.iter().any(is_missing), "{:?}", found.notes);
    let deep = &grid::remote()[0];
    before.passes.retain(|one| one.pass.model != *deep);
    let error = measure(before).unwrap_err().to_string();
    assert!(error.contains("`llama-bench` is missing"), "{error}");
}

#[test]
fn another_build_is_not_mixed_with_what_there_is() {
    let (folder, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let options = options(folder.path());
    let programs = Programs { folder: folder.path(), stop: &stop };
    let mut before = whole();
    before.machine.engine = "llama.cpp def".into();
    let mut run = Run {
        options: &options,
        programs,
        device: None,
        formats: Vec::new(),
        folder: folder.path(),
        found: Some(before),
    };
    let made = grid::models(Size::Quick, true, &[]).remove(1);
    let path = models::make(&made, folder.path()).unwrap();
    let error = run.add("m", &path, &[test()], Way::Plain).unwrap_err().to_string();
    assert!(error.contains("llama.cpp def,") && error.contains("name another file"), "{error}");
}
