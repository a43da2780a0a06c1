//! What `test-backend-ops perf --output sql` prints (ggml-org/llama.cpp, tests): one kernel a line,
//! its mean time over a second. Its CSV lacks the times. Shapes are those of its own list.

use edgeplan_cost_model::engine::EngineKernel;
use edgeplan_problem::Nanos;
use edgeplan_problem::format::Format;

use crate::grid::Size;
use crate::programs::EngineError;

/// A kernel and one time of it.
pub(crate) type Timed = (EngineKernel, Nanos);

/// Formats of weights that no model is made in, and two that are, by which they are compared.
const FORMATS: &str = "q8_0|q4_K|iq2_xxs|iq2_xs|iq3_xxs|iq3_s|iq4_nl|iq4_xs|mxfp4";
const FEW: &str = "q8_0|q4_K|iq4_nl|iq4_xs";

/// An operator, and which of its parameters are timed, as a regular expression.
pub(crate) fn asked(size: Size) -> Vec<(&'static str, String)> {
    let (formats, rows, several) = match size {
        Size::Quick => (FEW, "1", "1"),
        Size::Standard => (FORMATS, "(1|8|512)", "(1|32)"),
    };
    let end = "(,|$)";
    vec![
        ("MUL_MAT", format!("type_a=({formats}),type_b=f32,m=4096,n={rows},k=14336,bs")),
        (
            "MUL_MAT_ID",
            format!("type_a=(q8_0|q4_K),.*n_mats=32,n_used=4,.*m=1792,n={several},k=2048{end}"),
        ),
        (
            "FLASH_ATTN_EXT",
            "hsk=64,hsv=64,nh=8,nr23=.8,1.,kv=7680,nb=1,.*type_K=(f16|q8_0|q4_0),".into(),
        ),
        ("CPY", "type_src=f32,type_dst=f16,ne_src=.512,3072".into()),
    ]
}

/// The operator of a kernel.
pub(crate) fn operator(kernel: &EngineKernel) -> &'static str {
    match kernel {
        EngineKernel::Product { .. } => "MUL_MAT",
        EngineKernel::Experts { .. } => "MUL_MAT_ID",
        EngineKernel::Attention { .. } => "FLASH_ATTN_EXT",
        EngineKernel::Copy { .. } => "CPY",
    }
}

/// The kernels that a run printed; those that the backend lacks are left out.
///
/// # Errors
/// A line that is no row, or a kernel whose parameters make no sense.
pub(crate) fn kernels(printed: &str) -> Result<Vec<Timed>, EngineError> {
    let mut found = Vec::new();
    for line in printed.lines().filter(|line| line.starts_with("INSERT INTO test_backend_ops")) {
        found.extend(row(line).map_err(|problem| EngineError::Printed {
            program: "test-backend-ops",
            problem: format!("{problem}: {line}"),
        })?);
    }
    Ok(found)
}

fn row(line: &str) -> Result<Option<Timed>, String> {
    let (names, values) = line.split_once(") VALUES (").ok_or("values are missing")?;
    let names = names.split_once('(').ok_or("names are missing")?.1;
    let values = values.trim_end().trim_end_matches(");");
    // What stands between a comma and a quote is part of no value.
    let spaced = values.replace("', '", "','");
    let mut tight =
        csv::ReaderBuilder::new().has_headers(false).quote(b'\'').from_reader(spaced.as_bytes());
    let record = tight.records().next().ok_or("no values")?.map_err(|error| error.to_string())?;
    let of = |name: &str| {
        let index = names.split(',').position(|known| known.trim() == name);
        index.and_then(|index| record.get(index)).ok_or(format!("`{name}` is missing"))
    };
    if of("supported")? != "1" {
        return Ok(None);
    }
    let micros: f64 = of("time_us")?.parse().map_err(|_| "`time_us` is no number")?;
    if !(micros > 0.0 && micros < 1e12) {
        return Err(format!("`time_us` is {micros}"));
    }
    let kernel = kernel(of("op_name")?, of("op_params")?)?;
    Ok(kernel.map(|kernel| (kernel, Nanos((1e3 * micros).round().max(1.0) as u64))))
}

/// The kernel of an operator with these parameters; none of an operator that is not used.
fn kernel(operator: &str, parameters: &str) -> Result<Option<EngineKernel>, String> {
    let values = parts(parameters);
    let text = |name: &str| {
        let found = values.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value).ok_or(format!("parameter `{name}` is missing"))
    };
    let list = |name: &str| -> Result<Vec<u64>, String> {
        let all = text(name)?.trim_matches(['[', ']']).split(',');
        all.map(|one| one.parse().map_err(|_| format!("parameter `{name}` is {one}"))).collect()
    };
    let number = |name: &str| list(name)?.first().copied().ok_or(format!("`{name}` is empty"));
    let format = |name: &str| text(name)?.parse::<Format>().map_err(|error| error.to_string());
    Ok(match operator {
        "MUL_MAT" => Some(EngineKernel::Product {
            format: format("type_a")?,
            rows: number("m")?,
            row_len: number("k")?,
            batch: number("n")?,
        }),
        "MUL_MAT_ID" => Some(EngineKernel::Experts {
            format: format("type_a")?,
            used: number("n_used")?,
            of: number("n_mats")?,
            rows: number("m")?,
            row_len: number("k")?,
            batch: number("n")?,
        }),
        "FLASH_ATTN_EXT" => {
            let (kv_heads, each) = (number("nh")?, number("nr23")?);
            Some(EngineKernel::Attention {
                heads: kv_heads * each,
                kv_heads,
                head_dim: number("hsk")?,
                context: number("kv")?,
                batch: number("nb")?,
                cache: format("type_K")?,
            })
        }
        "CPY" => Some(EngineKernel::Copy {
            from: format("type_src")?,
            to: format("type_dst")?,
            elements: list("ne_src")?.into_iter().product(),
        }),
        _ => None,
    })
}

/// Names and values: `a=1,b=[2,3],c=x`.
fn parts(parameters: &str) -> Vec<(&str, &str)> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    let ends = parameters.char_indices().chain([(parameters.len(), ',')]);
    for (index, letter) in ends {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(parameters[start..index].split_once('='));
                start = index + 1;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(operator: &str, parameters: &str, supported: u8) -> String {
        format!(
            "INSERT INTO test_backend_ops (build_commit, op_name, op_params, supported, time_us) \
             VALUES ('abc', '{operator}', '{parameters}', '{supported}', '12.500000');"
        )
    }

    #[test]
    fn kernels_are_read_from_rows() {
        let printed = [
            "CREATE TABLE IF NOT EXISTS test_backend_ops (".to_owned(),
            line("MUL_MAT", "type_a=q4_K,type_b=f32,m=4096,n=8,k=14336,bs=[1,1],nr=[1,1]", 1),
            line("MUL_MAT", "type_a=q4_K,type_b=f32,m=4096,n=1,k=14336,bs=[1,1],nr=[1,1]", 0),
            line("FLASH_ATTN_EXT", "hsk=64,hsv=64,nh=8,nr23=[4,1],kv=7680,nb=1,type_K=q8_0", 1),
            line("MUL_MAT_ID", "type_a=q8_0,n_mats=32,n_used=4,b=0,m=1792,n=1,k=2048", 1),
            line("CPY", "type_src=f32,type_dst=f16,ne_src=[512,3072,1,1]", 1),
            line("SCALE", "ne=[1]", 1),
        ];
        let found = kernels(&printed.join("\n")).unwrap();
        let q4 = Format::Q4K;
        let product = EngineKernel::Product { format: q4, rows: 4096, row_len: 14336, batch: 8 };
        assert_eq!(found[0], (product, Nanos(12_500)));
        assert!(matches!(found[1].0, EngineKernel::Attention { heads: 32, kv_heads: 8, .. }));
        assert!(matches!(found[2].0, EngineKernel::Experts { used: 4, of: 32, .. }));
        assert!(matches!(found[3].0, EngineKernel::Copy { elements: 1_572_864, .. }));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (from, to, expected) in [
            ("q4_K", "q9_K", "`q9_K` is no format"),
            ("m=4096", "w=4096", "parameter `m` is missing"),
            ("12.5", "-1.5", "`time_us` is -1.5"),
            ("VALUES", "VALUE", "values are missing"),
        ] {
            let line = line("MUL_MAT", "type_a=q4_K,m=4096,n=8,k=14336", 1).replacen(from, to, 1);
            let error = kernels(&line).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
