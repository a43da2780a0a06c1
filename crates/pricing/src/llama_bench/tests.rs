//! Devices that `llama-bench` describes, and what is refused.

use super::*;
use edgeplan_machines::device::{Pass, Rates, Starts};
use edgeplan_model::{LayerSpec, StoredType};
use edgeplan_problem::Bytes;

/// A model of the catalog whose matrices, or only those of the head, are in that format.
fn stored(name: &str, format: Format, head: Format) -> ModelSpec {
    let mut model = edgeplan_model::load(&format!("catalog:{name}")).unwrap();
    for layer in &mut model.layers {
        let format = if layer.part == Part::Head { head } else { format };
        for tensor in layer.tensors.iter_mut().filter(|tensor| tensor.quantizable) {
            tensor.native = Some(StoredType::from(format));
        }
    }
    model
}

/// A test that a machine of 10 GB/s in q8_0 and 5 in q4_K, of 100 Gflop/s, of 30 us a layer
/// would print; a number of threads of it.
fn test(name: &str, model: &ModelSpec, prompt: u64, threads: u32) -> String {
    let test = Test {
        build_commit: "abc".into(),
        cpu_info: "a processor".into(),
        gpu_info: String::new(),
        model_filename: name.into(),
        n_ubatch: 512,
        n_threads: threads,
        n_prompt: prompt,
        n_gen: if prompt == 0 { 10 } else { 0 },
        n_depth: 0,
        test_time: "2026-11-21T12:00:00Z".into(),
        avg_ns: 1.0,
        samples_ns: Vec::new(),
    };
    let passes = test.passes(&model.clone().as_stored());
    let read =
        |format: &Format, bytes: &f64| bytes * if *format == Format::Q4K { 0.2 } else { 0.1 };
    let reading = |work: &BTreeMap<Format, f64>| -> f64 {
        work.iter().map(|(format, bytes)| read(format, bytes)).sum()
    };
    let nanos = 30_000.0 * passes.layers
        + match prompt {
            0 => reading(&passes.work),
            _ => reading(&passes.head) + 0.01 * passes.work.values().sum::<f64>(),
        };
    let all = nanos * test.n_gen.max(1) as f64;
    format!(
        "{{\"build_commit\": \"abc\", \"cpu_info\": \"a processor\", \"gpu_info\": \"\", \
         \"model_filename\": \"{name}\", \"n_ubatch\": 512, \"n_threads\": {threads}, \
         \"n_prompt\": {prompt}, \"n_gen\": {}, \"n_depth\": 0, \"model_type\": \"llama\", \
         \"test_time\": \"2026-11-21T12:00:00Z\", \"avg_ns\": {all}, \
         \"samples_ns\": [{all}, 1, 1e14]}}",
        test.n_gen
    )
}

fn imported(tests: &[String], threads: Option<u32>) -> Result<Device, InputError> {
    let text = format!("[{}]", tests.join(", "));
    let files = [TextFile { name: "bench.json".into(), text }];
    let mut load = |_: &TextFile, name: &str| match name {
        "small" => Some(Ok(stored("smollm2-135m", Format::Q8_0, Format::Q8_0))),
        "large" => Some(Ok(stored("tinyllama-1.1b", Format::Q8_0, Format::Q8_0))),
        "mixed" => Some(Ok(stored("tinyllama-1.1b", Format::Q4K, Format::Q8_0))),
        _ => None,
    };
    let text = device(&files, Bench { memory: Memory(8_000_000_000), threads }, &mut load)?;
    Device::parse("device.toml", &text)
}

fn planted() -> Vec<String> {
    let models = [
        ("small", stored("smollm2-135m", Format::Q8_0, Format::Q8_0)),
        ("large", stored("tinyllama-1.1b", Format::Q8_0, Format::Q8_0)),
        ("mixed", stored("tinyllama-1.1b", Format::Q4K, Format::Q8_0)),
    ];
    let tests = models
        .iter()
        .flat_map(|(name, model)| [0, 128, 512].map(|prompt| test(name, model, prompt, 2)));
    tests.collect()
}

#[test]
fn sizes_and_formats_part_overhead_from_bandwidth() {
    let device = imported(&planted(), None).unwrap();
    let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.03;
    let rate = |format: Format| device.rate.iter().find(|r| r.format == format).unwrap();
    assert!(near(device.layer_overhead_us.unwrap(), 30.0), "{device:?}");
    assert!(near(rate(Format::Q8_0).bandwidth_gb_s.unwrap(), 10.0), "{device:?}");
    assert!(near(rate(Format::Q4K).bandwidth_gb_s.unwrap(), 5.0), "{device:?}");
    assert!(near(rate(Format::Q4K).tflops.unwrap(), 0.1), "{device:?}");
    assert!(near(rate(Format::Q8_0).tflops.unwrap(), 0.1), "{device:?}");
    assert!(device.source.contains("2 threads on a processor, 2026-11-21"), "{device:?}");
}

/// A generated token and a prompt of the small model, in so many nanoseconds.
fn timed(decode: f64, prompt: f64, processor: &str) -> Result<Device, InputError> {
    let test = |n_prompt: u32, n_gen: u32, nanos: f64| {
        let (name, on) = ("small", serde_json::to_string(processor).unwrap());
        format!(
            "{{\"build_commit\": {on}, \"cpu_info\": {on}, \"model_filename\": \"{name}\", \
             \"n_ubatch\": 512, \"n_threads\": 2, \"n_prompt\": {n_prompt}, \
             \"n_gen\": {n_gen}, \"test_time\": {on}, \"avg_ns\": {nanos:?}}}"
        )
    };
    imported(&[test(0, 10, decode), test(512, 0, prompt)], None)
}

/// A machine that was measured with a model of experts prices that model as it was measured.
#[test]
fn experts_are_priced_as_they_were_measured() {
    let model = stored("qwen3-30b-a3b", Format::Q4K, Format::Q8_0).as_stored();
    let measured = |prompt: u64, seconds: f64| {
        test("experts", &model, prompt, 2)
            .replace("\"avg_ns\": ", "\"avg_ns\": 1e9, \"was\": ")
            .replace(
                "\"samples_ns\": [",
                &format!("\"samples_ns\": [{:?}, {:?}, ", seconds, seconds),
            )
    };
    let files = [TextFile {
        name: "bench.json".into(),
        text: format!("[{}, {}]", measured(0, 2e9), measured(512, 8e9)),
    }];
    let mut load = |_: &TextFile, _: &str| Some(Ok(model.clone()));
    let bench = Bench { memory: Memory(64_000_000_000), threads: None };
    let text = device(&files, bench, &mut load).unwrap();
    let rates = Rates::new(&Device::parse("device.toml", &text).unwrap()).unwrap();
    let sum = |prompt: u64| -> f64 {
        let of_layer = |layer: &LayerSpec| -> f64 {
            let tensors = layer.tensors.iter().filter(|tensor| multiplied(layer, tensor));
            let times = tensors.map(|tensor| {
                let (used, all) = tensor.experts.unwrap_or((1, 1));
                let format = format_of(tensor);
                let pass = match prompt {
                    0 => (tensor.bytes(format).unwrap().0 / all * used, 0),
                    _ if layer.part == Part::Head => (0, 0),
                    _ => (0, 2 * prompt * (tensor.elements() / all * used)),
                };
                let experts = tensor.experts.is_some();
                let pass = Pass { format, bytes: Bytes(pass.0), operations: pass.1, experts };
                rates.pass(pass, true).unwrap().as_f64()
            });
            let prompts = prompt.min(1);
            let starts = Starts { prompts, chunks: prompts, generated: 1 - prompts };
            times.sum::<f64>() + rates.starting(&model, layer, starts).as_f64()
        };
        model.layers.iter().map(of_layer).sum()
    };
    let (token, prompt) = (sum(0), sum(512));
    assert!((token / 2e8 - 1.0).abs() < 0.02, "{token} ns of 0.2 s");
    // The head is computed once.
    assert!((0.97..1.01).contains(&(prompt / 8e9)), "{prompt} ns of 8 s");
}

#[test]
fn what_is_too_slow_or_too_fast_for_a_device_is_refused() {
    // The times of two files that made devices with a rate of 0.
    for (decode, prompt) in [(1e6, 5e11), (1e14, 5e7), (9e14, 9e14)] {
        let device = timed(decode, prompt, "p").unwrap();
        let rates = device.rate.iter().flat_map(|rate| [rate.bandwidth_gb_s, rate.tflops]);
        assert!(rates.flatten().all(|rate| rate > 0.0), "{device:?}");
    }
    for (decode, prompt, expected) in [
        (1.0, 1e9, "device made of bench.json: bandwidth-gb-s: "),
        (1e9, 1.0, "device made of bench.json: tflops: "),
        (0.1, 1e9, "bench.json: [0].avg_ns: 0.1; a time of 1 ns"),
        (1e9, 1e-300, "bench.json: [1].avg_ns: 1e-300; a time of 1 ns"),
    ] {
        let error = timed(decode, prompt, "p").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_written_is_read(
        decode in -1.0..15.5_f64, prompt in -1.0..15.5_f64, processor in ".*|[\\x00-\\x20]*",
    ) {
        let made = timed(10_f64.powf(decode), 10_f64.powf(prompt), &processor);
        // Either the import is refused, or its device is read: `imported` reads it.
        if let Err(error) = made {
            let named = error.file.ends_with("bench.json") && error.key.is_some();
            proptest::prop_assert!(named, "{error}");
        }
    }
}

#[test]
fn what_cannot_be_used_is_refused_by_key() {
    let good = planted();
    let change = |from: &str, to: &str| good.iter().map(|t| t.replace(from, to)).collect();
    let cases: [(Vec<String>, Option<u32>, &str); 9] = [
        (change("\"n_threads\"", "\"threads\""), None, "bench.json: [0]: missing field"),
        (change("\"small\"", "\"gone\""), None, "[0].model_filename: `gone` is neither"),
        (change("1e14", "-1.0"), None, "bench.json: [0].samples_ns: -1.0; a time of 1 ns"),
        (change("\"n_ubatch\": 512", "\"n_ubatch\": 0"), None, "[0].n_ubatch: 0;"),
        (change("\"n_gen\": 10", "\"n_gen\": 0"), None, "n_gen: no test generates alone"),
        (change("\"n_depth\": 0", "\"n_depth\": 9"), None, "n_gen: no test"),
        (good[..1].to_vec(), None, "n_prompt: no test has a prompt"),
        (good.clone(), Some(3), "n_threads: 2; there is no test with 3"),
        (Vec::new(), None, "bench.json: no tests"),
    ];
    for (tests, threads, expected) in cases {
        let error = imported(&tests, threads).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let both: Vec<String> = good.iter().cloned().chain(change("s\": 2", "s\": 4")).collect();
    let error = imported(&both, None).unwrap_err().to_string();
    assert!(error.contains("n_threads: 2, 4; one of them must be chosen"), "{error}");
    assert_eq!(imported(&both, Some(2)).unwrap(), imported(&good, None).unwrap());
}
