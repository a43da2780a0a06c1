//! prima.cpp: a ring of ranks, the source first; `-lw` gives each its blocks, in rank order.

use crate::chain::Placed;
use crate::export::{Order, Written, runs};
use crate::llama_cpp::quantized_by;
use crate::shell::{option, script};

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let source = order.deployment.source;
    let mut ranks = vec![(source, 0)];
    for run in runs(layers) {
        match run.device == source {
            true => ranks[0].1 = run.count,
            false => ranks.push((run.device, run.count)),
        }
    }
    let how = "with llama.cpp's llama-quantize; every device needs a copy of the result";
    let Written { mut files, mut steps } = quantized_by(order, layers, how);
    let windows: Vec<String> = ranks.iter().map(|(_, count)| count.to_string()).collect();
    let addresses: Vec<String> =
        ranks.iter().map(|(device, _)| order.address(*device, "")).collect::<Result<_, _>>()?;
    let world = ranks.len();
    for (rank, (device, count)) in ranks.iter().enumerate() {
        let program = match rank {
            0 => "\"${LLAMA_SERVER:-./llama-server}\"",
            _ => "\"${LLAMA_CLI:-./llama-cli}\"",
        };
        let mut arguments = vec![program.to_owned(), "-m \"$1\"".into()];
        if rank == 0 {
            arguments.push(format!("-c {}", order.context()));
            arguments.extend([option("--host", "127.0.0.1"), option("--port", 8080)]);
        }
        if world > 1 {
            arguments.extend([option("--world", world), option("--rank", rank)]);
            arguments.push(option("--master", &addresses[0]));
            arguments.push(option("--next", &addresses[(rank + 1) % world]));
            arguments.push("--prefetch".into());
            if rank == 0 {
                arguments.push(option("-lw", windows.join(",")));
            }
        }
        if *count > 0 {
            arguments.push(option("-ngl", count));
        }
        let (name, file) =
            (order.name(*device), format!("rank-{rank}-{}.sh", order.file_word(*device)));
        let what = format!("Rank {rank} of {world}: {file} MODEL.gguf");
        files.push((file.clone(), script(&what, ": \"${1:?the GGUF file}\"\n", &arguments)));
        steps.push(format!("On {name}: `./{file} model.gguf`"));
    }
    if world > 1 {
        steps.push(format!(
            "The ranks find each other at {}; `--at DEVICE=IP` changes that",
            addresses.join(", ")
        ));
    }
    Ok(Written { files, steps })
}
