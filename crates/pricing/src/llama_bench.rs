//! `llama-bench -o json` (ggml-org/llama.cpp, tools/llama-bench): how fast llama.cpp is on a
//! machine, as a device for a `cluster.toml`.
//!
//! Used: tests of generating (`n_gen`) and of prompts (`n_prompt`) alone, without a context before
//! them, in whatever formats the models' files hold. A generated token reads every matrix once, and
//! every layer starts its kernels; a prompt computes two operations per weight and token, and the
//! head's once. What no test tells apart is put on all formats alike: several formats, or models of
//! several sizes, make it exact. Other tests are left out, and a comment says so.

use std::collections::BTreeMap;
use std::path::Path;

use edgeplan_cost_model::least_squares;
use serde::Deserialize;
use statrs::statistics::{Data, Median as _};

use crate::{format_of, multiplied};
use edgeplan_files::quantity::Memory;
use edgeplan_files::{InputError, TextFile, parse_json, toml_comment};
use edgeplan_machines::device::{Device, Rate, Status, classes};
use edgeplan_model::{ModelSpec, Part};
use edgeplan_problem::format::Format;

/// Shorter prompts read weights longer than they compute.
const PROMPT_MIN: u64 = 32;
/// What a runtime gets of all memory, in percent: as the catalog has it for desktop computers.
const USABLE_PERCENT: f64 = 85.0;

/// What the files leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bench {
    /// Memory of the machine.
    pub memory: Memory,
    /// The tests to take, where they ran with several numbers of threads.
    pub threads: Option<u32>,
}

/// A test, as far as it is used.
#[derive(Debug, Deserialize)]
struct Test {
    build_commit: String,
    cpu_info: String,
    #[serde(default)]
    gpu_info: String,
    model_filename: String,
    n_ubatch: u64,
    n_threads: u32,
    n_prompt: u64,
    n_gen: u64,
    #[serde(default)]
    n_depth: u64,
    test_time: String,
    avg_ns: f64,
    #[serde(default)]
    samples_ns: Vec<f64>,
}

/// What one pass of a test does.
struct Passes {
    /// Of the test, for comments.
    name: String,
    /// Bytes of weights that a generated token reads, and operations of the prompt, by format.
    work: BTreeMap<Format, f64>,
    /// Layers whose kernels start.
    layers: f64,
    /// The head's bytes, which a prompt reads once.
    head: BTreeMap<Format, f64>,
    nanos: f64,
    /// The part of that time which is known otherwise.
    known: f64,
    /// Tokens in that time.
    tokens: f64,
}

/// Nanoseconds per unit of work by format, and per layer.
struct Fit {
    each: BTreeMap<Format, f64>,
    layer: f64,
}

/// The text of a device file, its comment saying which tests it is made of and how well they fit.
///
/// # Errors
/// Files that cannot be read or make no sense, models that are not there, several numbers of
/// threads of which none was chosen, no test of generating or none of prompts.
pub fn llama_bench(paths: &[impl AsRef<Path>], options: Bench) -> Result<String, InputError> {
    let files: Vec<TextFile> =
        paths.iter().map(|path| TextFile::read(path.as_ref())).collect::<Result<_, _>>()?;
    device(&files, options, &mut |file, name| {
        // As the command named it, or beside what it printed.
        let beside = Path::new(&file.name).with_file_name(Path::new(name).file_name()?);
        let found = [Path::new(name), &beside].into_iter().find(|path| path.is_file())?;
        Some(edgeplan_model::load(&found.display().to_string()))
    })
}

type Load<'a> = &'a mut dyn FnMut(&TextFile, &str) -> Option<Result<ModelSpec, InputError>>;

fn device(files: &[TextFile], options: Bench, load: Load) -> Result<String, InputError> {
    let mut tests = Vec::new();
    for file in files {
        let found: Vec<Test> = parse_json(&file.name, &file.text)?;
        for (index, test) in found.into_iter().enumerate() {
            test.check(&file.name, index)?;
            tests.push(Listed { file, index, test });
        }
    }
    let all = files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
    choose_threads(&all, &mut tests, options.threads)?;
    let (mut models, mut decode, mut prompt) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut left_out = 0;
    for Listed { file, index, test } in &tests {
        let of = match (test.n_prompt, test.n_gen) {
            (_, _) if test.n_depth > 0 => None,
            (0, 1..) => Some(&mut decode),
            (PROMPT_MIN.., 0) => Some(&mut prompt),
            _ => None,
        };
        let Some(of) = of else {
            left_out += 1;
            continue;
        };
        if !models.contains_key(&test.model_filename) {
            let missing = || {
                let problem = format!(
                    "`{}` is neither there nor beside this file; its tensors are needed",
                    test.model_filename
                );
                InputError::key(&file.name, format!("[{index}].model_filename"), problem)
            };
            let loaded = load(file, &test.model_filename).ok_or_else(missing)??.as_stored();
            models.insert(test.model_filename.clone(), loaded);
        }
        of.push(test.passes(&models[&test.model_filename]));
    }
    let lacking = |key: &str, problem: &str| Err(InputError::key(&all, key, problem));
    if decode.is_empty() {
        return lacking("n_gen", "no test generates alone; `llama-bench -n 32` adds one");
    }
    if prompt.is_empty() {
        return lacking("n_prompt", "no test has a prompt of 32 or more; `-p 512` adds one");
    }
    let generating = Fit::new(&decode, true);
    for passes in &mut prompt {
        let head: f64 =
            passes.head.iter().map(|(format, bytes)| generating.of(*format) * bytes).sum();
        // Never all of it: what is left is what computing takes.
        passes.known = (head + generating.layer * passes.layers).min(0.5 * passes.nanos);
    }
    let computing = Fit::new(&prompt, false);
    for (fit, key) in [(&generating, "n_gen"), (&computing, "n_prompt")] {
        if fit.each.is_empty() {
            return lacking(key, "these times leave none for any format; other tests are needed");
        }
    }
    let text =
        text(&tests[0].test, &[(&decode, &generating), (&prompt, &computing)], left_out, options);
    // Times that are possible one by one may make a machine that is not.
    Device::parse(&format!("device made of {all}"), &text)?;
    Ok(text)
}

/// A test, and where it is listed.
struct Listed<'a> {
    file: &'a TextFile,
    /// In the file.
    index: usize,
    test: Test,
}

/// Leaves the tests of one number of threads.
fn choose_threads(
    files: &str,
    tests: &mut Vec<Listed<'_>>,
    chosen: Option<u32>,
) -> Result<(), InputError> {
    let mut known: Vec<u32> = tests.iter().map(|listed| listed.test.n_threads).collect();
    known.sort_unstable();
    known.dedup();
    let list = known.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let error = |problem: String| Err(InputError::key(files, "n_threads", problem));
    match (chosen, &known[..]) {
        (_, []) => Err(InputError::file(files, "no tests; an array of them is needed")),
        (None, [_]) => Ok(()),
        (None, _) => error(format!("{list}; one of them must be chosen: `--threads {}`", known[0])),
        (Some(threads), _) if !known.contains(&threads) => {
            error(format!("{list}; there is no test with {threads}"))
        }
        (Some(threads), _) => {
            tests.retain(|listed| listed.test.n_threads == threads);
            Ok(())
        }
    }
}

impl Test {
    fn check(&self, file: &str, index: usize) -> Result<(), InputError> {
        let error = |key: &str, problem: String| {
            Err(InputError::key(file, format!("[{index}].{key}"), problem))
        };
        for (key, value) in [("n_prompt", self.n_prompt), ("n_gen", self.n_gen)] {
            if value > 1 << 24 {
                return error(key, format!("{value}; up to {} tokens are allowed", 1 << 24));
            }
        }
        if self.n_ubatch == 0 {
            return error("n_ubatch", "0; more than that is needed".into());
        }
        let times = self.samples_ns.iter().map(|time| ("samples_ns", time));
        for (key, time) in times.chain([("avg_ns", &self.avg_ns)]) {
            if !(*time >= 1.0 && *time < 1e15) {
                return error(key, format!("{time:?}; a time of 1 ns to 1e15 ns is needed"));
            }
        }
        Ok(())
    }

    /// The median of its runs.
    fn nanos(&self) -> f64 {
        match self.samples_ns.is_empty() {
            true => self.avg_ns,
            false => Data::new(self.samples_ns.clone()).median(),
        }
    }

    /// What one token or the prompt is made of.
    fn passes(&self, model: &ModelSpec) -> Passes {
        let file = Path::new(&self.model_filename).file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        let (mut bytes, mut operations) = (BTreeMap::new(), BTreeMap::new());
        let mut head = BTreeMap::new();
        // Rates are those of other matrices: experts take longer, as pricing has them.
        let class = classes().of("");
        let (decode, prefill) = (class.experts_decode.efficiency, class.experts_prefill.efficiency);
        for layer in &model.layers {
            for tensor in layer.tensors.iter().filter(|tensor| multiplied(layer, tensor)) {
                let format = format_of(tensor);
                let (used, experts) = tensor.experts.unwrap_or((1, 1));
                let share = used as f64 / experts.max(1) as f64;
                let longer =
                    |phase: f64| if tensor.experts.is_some() { share / phase } else { share };
                let size = longer(decode) * tensor.bytes(format).unwrap_or_default().as_f64();
                *bytes.entry(format).or_insert(0.0) += size;
                if layer.part == Part::Head {
                    *head.entry(format).or_insert(0.0) += size;
                } else {
                    let elements = longer(prefill) * tensor.elements() as f64;
                    let all = 2.0 * elements * self.n_prompt as f64;
                    *operations.entry(format).or_insert(0.0) += all;
                }
            }
        }
        let layers = model.layers.len() as f64;
        if self.n_prompt == 0 {
            let (name, tokens) = (format!("{file}, {} generated", self.n_gen), self.n_gen as f64);
            let nanos = self.nanos() / tokens;
            return Passes { name, work: bytes, layers, head, nanos, known: 0.0, tokens: 1.0 };
        }
        let layers = layers * self.n_prompt.div_ceil(self.n_ubatch) as f64;
        let name = format!("{file}, a prompt of {}", self.n_prompt);
        let (nanos, tokens) = (self.nanos(), self.n_prompt as f64);
        Passes { name, work: operations, layers, head, nanos, known: 0.0, tokens }
    }
}

impl Fit {
    /// Learns what each format takes, and with `starting` each layer.
    fn new(tests: &[Passes], starting: bool) -> Self {
        let mut formats: Vec<Format> = tests.iter().flat_map(|t| t.work.keys().copied()).collect();
        formats.sort_unstable();
        formats.dedup();
        let row = |test: &Passes| {
            let of = |format: &Format| test.work.get(format).copied().unwrap_or(0.0);
            let mut row = vec![formats.iter().map(of).sum::<f64>()];
            row.extend(formats.iter().map(of));
            row.push(if starting { test.layers } else { 0.0 });
            row
        };
        let rows: Vec<Vec<f64>> = tests.iter().map(row).collect();
        let nanos: Vec<f64> = tests.iter().map(|test| test.nanos - test.known).collect();
        // The first column is common to all formats, and gets what no test tells apart.
        let found = least_squares(&rows, &nanos);
        let each = formats.iter().zip(&found[1..]).map(|(format, own)| (*format, found[0] + own));
        let layer = found.last().copied().unwrap_or_default();
        Self { each: each.filter(|(_, nanos)| *nanos > 0.0).collect(), layer }
    }

    fn of(&self, format: Format) -> f64 {
        self.each.get(&format).copied().unwrap_or_default()
    }

    fn nanos(&self, test: &Passes) -> f64 {
        let work = test.work.iter().map(|(format, amount)| self.of(*format) * amount);
        work.sum::<f64>() + self.layer * test.layers + test.known
    }
}

fn text(first: &Test, fits: &[(&Vec<Passes>, &Fit); 2], left_out: usize, options: Bench) -> String {
    let [(_, generating), (_, computing)] = fits;
    let on = if first.gpu_info.is_empty() { &first.cpu_info } else { &first.gpu_info };
    let day = first.test_time.split('T').next().unwrap_or_default();
    let mut comment = format!(
        "Speeds of llama.cpp ({}) by `edgeplan import llama-bench`; measured, and as fitted:\n",
        first.build_commit
    );
    for test in fits.iter().flat_map(|(tests, fit)| tests.iter().map(move |test| (test, fit))) {
        let (test, fit) = test;
        let rate = |nanos: f64| 1e9 * test.tokens / nanos;
        let (measured, fitted) = (rate(test.nanos), rate(fit.nanos(test)));
        comment += &format!("{}: {measured:.2} and {fitted:.2} tokens/s\n", test.name);
    }
    if left_out > 0 {
        comment +=
            &format!("Left out: {left_out} tests of both at once, after a context, or short\n");
    }
    // Nanoseconds per byte and per operation as 1e9 bytes and 1e12 operations per second.
    let round = four_digits;
    let reads = |format: Format| generating.each.get(&format).map(|nanos| round(1.0 / nanos));
    let computes = |format: Format| computing.each.get(&format).map(|nanos| round(1e-3 / nanos));
    let rate: Vec<Rate> = Format::ALL
        .into_iter()
        .map(|format| Rate { format, bandwidth_gb_s: reads(format), tflops: computes(format) })
        .filter(|rate| rate.bandwidth_gb_s.is_some() || rate.tflops.is_some())
        .collect();
    let most = |of: fn(&Rate) -> Option<f64>| rate.iter().filter_map(of).fold(1e-4, f64::max);
    let device = Device {
        memory_gb: Some(options.memory.0 as f64 / 1e9),
        memory_gib: None,
        usable_percent: USABLE_PERCENT,
        bandwidth_gb_s: most(|rate| rate.bandwidth_gb_s),
        tflops: most(|rate| rate.tflops),
        source: format!("llama-bench, {} threads on {on}, {day}", first.n_threads),
        status: Status::Measured,
        backend: None,
        class: None,
        unified: false,
        layer_overhead_us: Some(round(generating.layer / 1e3)),
        speed: Vec::new(),
        rate,
    };
    // Plain numbers and words always serialize.
    toml_comment(&comment) + &toml::to_string(&device).unwrap_or_default()
}

/// Four decimals, or four digits where decimals would leave fewer of them.
fn four_digits(value: f64) -> f64 {
    let decimals = match value.abs() {
        tiny if tiny > 0.0 && tiny < 0.1 => 3.0 - tiny.log10().floor(),
        _ => 4.0,
    };
    let scale = 10_f64.powi(decimals.min(300.0) as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests;
