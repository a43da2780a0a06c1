//! `--engine`: sensitivity, verification and contests by llama.cpp's programs, which are scripts
//! here. The quantizer copies files that candle quantized; the judge says that a file diverges by
//! the bytes that it saves, so that divergence adds up exactly.
#![cfg(unix)]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use edgeplan_model::gguf;
use edgeplan_model::gguf::draft::{Draft, Tensor};
use edgeplan_tests::{json, refused, run, text};

const TEACHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/teacher.gguf");
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/romans.txt");

/// Nats for each byte that a file saves.
const NATS: f64 = 1e-8;

const QUANTIZE: &str = r#"
echo quantize >> "$HERE/log"
from= to= kind= types=
for word in "$@"; do
    [ "$kind" != --tensor-type-file ] || types=$word
    from=$to to=$kind kind=$word
done
case "$kind" in
F32) name=$(basename "$from"); cp "$HERE/wide-${name%%-*}.gguf" "$to" ;;
Q8_0) line=$(head -n 1 "$types"); cp "$HERE/${line##*=}.gguf" "$to" ;;
*) cp "$HERE/mix-$kind.gguf" "$to" ;;
esac
"#;

const IMATRIX: &str = r#"
while [ "$1" != --output-file ]; do shift; done
cp "$HERE/imatrix.gguf" "$2"
"#;

const PERPLEXITY: &str = r#"
echo perplexity >> "$HERE/log"
judges= windows=8 keys=
while [ $# -gt 0 ]; do
    case "$1" in
    --model) model=$2 ;;
    --save-all-logits) logits=$2 ;;
    --chunks) [ "$2" -gt 8 ] || windows=$2 ;;
    --kl-divergence) judges=1 ;;
    --cache-type-k) keys=$2 ;;
    esac
    shift
done
if [ -z "$judges" ]; then
    [ ! -e "$HERE/broken" ] || { echo "perplexity: failed to decode" >&2; exit 0; }
    size=$(wc -c < "$model")
    [ "$keys" != q4_0 ] || size=$((size - 1000000))
    # A vocabulary of one token, whose log probability is the bytes that are saved times -1e-8:
    # a scale of -64e-8 and a step for each 64 bytes.
    step=$(((WAS - size) / 64))
    low=$(printf %03o $((step % 256))) high=$(printf %03o $((step / 256)))
    row="\\167\\314\\053\\265\\000\\000\\000\\000\\$low\\$high\\000\\000"
    rows= at=0
    while [ $at -lt $((windows * 63)) ]; do rows=$rows$row at=$((at + 1)); done
    {
        printf '_logits_\200\000\000\000\001\000\000\000'
        printf "\\$(printf %03o "$windows")\\000\\000\\000"
        head -c $((windows * 512)) /dev/zero
        printf "$rows"
    } > "$logits"
    exit
fi
awk -v was="$WAS" -v is="$(wc -c < "$model")" 'BEGIN {
    kl = (was - is) * 1e-8
    printf "Mean PPL(base)                :   3.500000 ±   0.100000\n"
    printf "Mean ln(PPL(Q)/PPL(base))     : %10.8f ±   0.001000\n", kl / 2
    printf "Mean    KLD: %10.8f ±   0.000100\n", kl
}'
"#;

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    let here = folder.display();
    let was = std::fs::metadata(TEACHER).unwrap().len();
    let mut file = std::fs::File::create(&path).unwrap();
    write!(file, "#!/bin/sh\nHERE='{here}'\nWAS={was}\n{text}").unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn made(from: &str, recipe: &str, out: &Path) {
    let out = out.display().to_string();
    let made = run(&["quantize", "--recipe", recipe, from, "--out", &out]);
    assert!(made.status.success(), "{}", text(&made.stderr));
}

/// An importance matrix that finds all inputs alike.
fn importance(out: &Path) {
    let header = gguf::read(Path::new(TEACHER)).unwrap();
    let blocks = header.tensors.iter().filter(|tensor| tensor.name.starts_with("blk."));
    let tensor = |tensor: &gguf::Tensor| Tensor {
        name: format!("{}.in_sum2", tensor.name),
        dimensions: vec![tensor.dimensions[0]],
        kind: 0,
    };
    let draft = Draft { tensors: blocks.map(tensor).collect(), ..Draft::default() };
    let file = std::fs::File::create(out).unwrap();
    let ones = |tensor: &Tensor, file: &mut dyn std::io::Write| {
        file.write_all(&1f32.to_le_bytes().repeat(tensor.dimensions[0] as usize))
    };
    draft.write(file, ones).unwrap();
}

/// The scripts, and what they copy.
fn engine(folder: &Path) {
    for format in ["q3_K", "q4_K", "q6_K"] {
        let file = folder.join(format!("{format}.gguf"));
        made(TEACHER, format, &file);
        let wide = folder.join(format!("wide-{format}.gguf"));
        made(&file.display().to_string(), "f32", &wide);
    }
    made(TEACHER, "q4_K+output:q6_K", &folder.join("mix-Q4_K_S.gguf"));
    made(TEACHER, "q3_K+output:q6_K", &folder.join("mix-Q3_K_S.gguf"));
    importance(&folder.join("imatrix.gguf"));
    for (name, text) in
        [("llama-quantize", QUANTIZE), ("llama-imatrix", IMATRIX), ("llama-perplexity", PERPLEXITY)]
    {
        script(folder, name, text);
    }
}

fn log(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default().lines().count()
}

struct Place {
    folder: tempfile::TempDir,
    programs: String,
    work: String,
    sensed: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        engine(folder.path());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (programs, work, sensed) = (path(""), path("work"), path("sensed.jsonl"));
        Self { folder, programs, work, sensed }
    }

    fn survey<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let formats = ["--formats", "q3_K,q4_K,q6_K", "--tokens", "1024", "--out", &self.sensed];
        let engine = ["--engine", &self.programs, "--work", &self.work];
        [&["sensitivity", TEACHER, "--text", TEXT], &formats[..], &engine, rest].concat()
    }
}

#[test]
fn a_survey_by_the_engine_is_resumed_and_plans_take_it() {
    let place = Place::new();
    let mixes = ["--mixes", "4", "--bits", "4,5", "--kv", "q4_0"];
    let found = json(&place.survey(&mixes));
    assert_eq!(found["rows"], 30 * 3);
    assert_eq!(found["sizes"].as_array().unwrap().len(), 2);
    for size in found["sizes"].as_array().unwrap() {
        // Files differ by a few bytes of padding and metadata beside what tensors save.
        assert!(size["rank_correlation"].as_f64().unwrap() > 0.79, "{size}");
        assert!(size["median_error"].as_f64().unwrap() < 0.02, "{size}");
    }
    let lines = std::fs::read_to_string(&place.sensed).unwrap();
    assert!(lines.lines().next().unwrap().contains("\"origin\":\"llama.cpp\""), "{lines}");
    let row = |line: &&str| line.contains("blk.2.ffn_down") && line.contains("\"q4_K\"");
    let row: serde_json::Value = serde_json::from_str(lines.lines().find(row).unwrap()).unwrap();
    let header = gguf::read(Path::new(TEACHER)).unwrap();
    let down = header.tensors.iter().find(|t| t.name == "blk.2.ffn_down.weight").unwrap();
    // 16 bits to 4.5.
    let saved = down.bytes.0 as f64 * (1.0 - 4.5 / 16.0);
    let kl = row["kl_nats"].as_f64().unwrap();
    assert!((kl / (saved * NATS) - 1.0).abs() < 0.02, "{kl} for {saved} bytes");
    assert!((0.0..0.1).contains(&row["variance"].as_f64().unwrap()), "{row}");
    // All is there.
    let before = log(place.folder.path());
    assert_eq!(json(&place.survey(&mixes))["rows"], 30 * 3);
    assert_eq!(log(place.folder.path()), before);
    // The end of a file that was cut off is measured again.
    let kept: String = lines.lines().take(60).map(|line| format!("{line}\n")).collect();
    std::fs::write(&place.sensed, kept + "{\"tensor\":\"bl").unwrap();
    assert_eq!(json(&place.survey(&["--kv", "q4_0"]))["rows"], 30 * 3);
    assert!(log(place.folder.path()) > before);
    let sensed = &place.sensed;
    let workload = place.folder.path().join("workload.toml");
    let formats = "formats = [\"q3_K\", \"q4_K\", \"q6_K\"]";
    std::fs::write(
        &workload,
        format!(
            "prompt = 64\ngenerate = 8\nquality = {{ max-kl = 0.06 }}\nkv = \"q4_0\"\n{formats}\n"
        ),
    )
    .unwrap();
    let asked = ["--device", "ryzen-7950x-64", "--workload", &workload.display().to_string()];
    let plan = ["plan", "--model", TEACHER, "--sensitivity", sensed];
    let planned = run(&[&plan[..], &asked].concat());
    let shown = text(&planned.stdout) + &text(&planned.stderr);
    assert!(planned.status.success(), "{shown}");
    // The cache: a million bytes.
    assert!(shown.contains("a cache in q4_0 loses 0.01"), "{shown}");
    assert!(shown.contains("measured of this model"), "{shown}");
    // Of candle's rounding, a file is another one.
    let own = ["sensitivity", TEACHER, "--text", TEXT, "--tokens", "1024", "--out", sensed];
    refused(&own, "by llama.cpp; this is ");
}

#[test]
fn a_contest_finds_the_best_plan_of_each_size_and_polishes_it() {
    let place = Place::new();
    json(&place.survey(&[]));
    let engine = ["--engine", &place.programs, "--work", &place.work, "--calibration", TEXT];
    let csv = place.folder.path().join("contest.csv").display().to_string();
    let asked = ["--tokens", "1024", "--mixes", "Q4_K_S,Q3_K_S", "--swaps", "3", "--out", &csv];
    let sensed = &place.sensed;
    let pareto = ["pareto", TEACHER, "--sensitivity", sensed, "--text", TEXT];
    let found = json(&[&pareto[..], &engine, &asked].concat());
    let matches = found["matches"].as_array().unwrap();
    assert_eq!(matches.iter().map(|m| &m["mix"]).collect::<Vec<_>>(), ["Q3_K_S", "Q4_K_S"]);
    for found in matches {
        let (own, plan) = (&found["own"], &found["plan"]);
        assert!(plan["bytes"].as_u64() <= own["bytes"].as_u64(), "{found}");
        // Bytes are all that counts, and a plan takes nearly all that it may.
        let kl = |one: &serde_json::Value| one["kl_nats"].as_f64().unwrap();
        assert!(kl(plan) < 1.05 * kl(own), "{found}");
        assert!(kl(&found["polished"]) <= kl(plan), "{found}");
        let predicted = found["predicted_kl_nats"].as_f64().unwrap();
        assert!((predicted / kl(plan) - 1.0).abs() < 0.02, "{found}");
    }
    assert!(std::fs::read_to_string(csv).unwrap().contains("\nQ3_K_S,polished,"));
}

#[test]
fn a_file_is_verified_by_the_engine() {
    let place = Place::new();
    let file = place.folder.path().join("q4_K.gguf").display().to_string();
    let engine = ["--engine", &place.programs, "--work", &place.work];
    let asked = ["verify", &file, "--against", TEACHER, "--text", TEXT, "--tokens", "1024"];
    let found = json(&[&asked[..], &engine].concat());
    let bytes = |path: &str| std::fs::metadata(path).unwrap().len() as f64;
    let expected = (bytes(TEACHER) - bytes(&file)) * NATS;
    assert!((found["kl_nats"].as_f64().unwrap() - expected).abs() < 1e-6, "{found}");
    std::fs::write(place.folder.path().join("broken"), "").unwrap();
    refused(&[&asked[..], &engine].concat(), "saves no predictions of it: perplexity: failed to");
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let out = folder.path().join("sensed.jsonl").display().to_string();
    let work = folder.path().join("work").display().to_string();
    let survey = ["sensitivity", TEACHER, "--text", TEXT, "--out", &out, "--engine", &place];
    let survey = [&survey[..], &["--work", &work]].concat();
    refused(&survey, "no `llama-quantize`, `llama-imatrix`, `llama-perplexity` here; `./x fetch");
    engine(folder.path());
    refused(&[&survey[..], &["--tokens", "128"]].concat(), "63 are scored");
    // The script saves eight windows at most.
    refused(&[&survey[..], &["--tokens", "2048"]].concat(), "8 windows of 128 tokens, of at least");
    refused(&[&survey[..], &["--bits", "40"]].concat(), "arguments: bits: 40.0; more than 0");
    // Time that is over before anything was measured.
    refused(&[&survey[..], &["--time", "0"]].concat(), "over before anything was measured");
}
