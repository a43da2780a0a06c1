//! KoboldCpp: llama.cpp on one host under other names of its options, without RPC.
//!
//! It numbers devices by backend instead of naming them, and cuts layers over all of them in that
//! order; shares of devices that a plan does not use are 0.

use edgeplan_problem::format::Format;

use super::overrides::{Override, overrides};
use super::quantize::quantized;
use super::sites::{Cut, Sites};
use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::shell::{option, script};

/// The longest context that it takes.
const CONTEXT_MAX: u64 = 262_144;

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let Written { mut files, mut steps } = quantized(order, layers);
    let sites = Sites::of(order, layers)?;
    if let Some(remote) = sites.remotes.first() {
        return Err(format!("{}: KoboldCpp runs on one host", remote.name));
    }
    let cut = sites.cut(order, layers)?;
    let mut arguments = vec!["\"${KOBOLDCPP:-koboldcpp}\"".to_owned(), "--model \"$1\"".into()];
    arguments.extend(devices(&cut)?);
    if let Some((file, device)) = order.projector {
        arguments.push(option("--mmproj", file));
        if !order.is_accelerator(device) {
            arguments.push("--mmprojcpu".into());
        }
    }
    let mut apart = Vec::new();
    for Override { name, value } in overrides(layers, &sites, &cut) {
        match name {
            "--n-cpu-moe" => arguments.push(option("--moecpu", value)),
            _ => apart.push(value),
        }
    }
    if !apart.is_empty() {
        arguments.push(option("--overridetensors", apart.join(",")));
    }
    arguments.extend(request(order)?);
    let what = "Serves the model: serve.sh MODEL.gguf";
    files.push((
        "serve.sh".into(),
        script(what, ": \"${1:?the quantized GGUF file}\"\n", &arguments),
    ));
    let home = order.deployment.host_name(order.deployment.source);
    steps.push(format!("On {home}: `./serve.sh model.gguf`, then ask <http://127.0.0.1:5001>"));
    Ok(Written { files, steps })
}

/// Context, batch and cache of the request.
fn request(order: &Order) -> Result<Vec<String>, String> {
    let Some(request) = order.request else {
        return Err("a context is needed, which an instance file does not tell".into());
    };
    if request.batch > 1 {
        return Err(format!("{} requests at once; it runs one", request.batch));
    }
    if !(256..=CONTEXT_MAX).contains(&request.context) {
        return Err(format!(
            "{} tokens of context; it takes 256 to {CONTEXT_MAX}",
            request.context
        ));
    }
    let mut arguments = vec![
        option("--contextsize", request.context),
        option("--batchsize", edgeplan_pricing::CHUNK),
        // Sliding windows are cached as windows, as priced.
        "--useswa".into(),
        "--noshift".into(),
        "--skiplauncher".into(),
    ];
    let level = match request.kv {
        Format::Q8_0 => Some(1),
        Format::Q4_0 => Some(2),
        _ => None,
    };
    if let Some(level) = level {
        arguments.extend([option("--quantkv", level), "--flashattention".into()]);
    }
    Ok(arguments)
}

/// The backend, and what each of its devices gets.
fn devices(cut: &Cut) -> Result<Vec<String>, String> {
    let layers: usize = cut.devices.iter().map(|&(_, share)| share).sum();
    let gpu_layers = option("--gpulayers", layers);
    let Some((first, _)) = cut.devices.first() else {
        return Ok(vec!["--usecpu".into(), gpu_layers]);
    };
    let split = |name: &str| {
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let kind = &name[..name.len() - digits.len()];
        digits.parse::<usize>().ok().map(|number| (kind.to_owned(), number))
    };
    let (backend, _) = split(first).ok_or_else(|| format!("device {first}: has no number"))?;
    let mut shares: Vec<usize> = Vec::new();
    for (name, share) in &cut.devices {
        let (kind, number) = split(name).ok_or_else(|| format!("device {name}: has no number"))?;
        if kind != backend {
            return Err(format!("{first} and {name}: it runs devices of one backend"));
        }
        if number < shares.len() {
            return Err(format!("{name}: its layers are not behind those of devices before it"));
        }
        shares.resize(number, 0);
        shares.push(*share);
    }
    let used: Vec<usize> = (0..shares.len()).filter(|&number| shares[number] > 0).collect();
    let alone = shares.len() == 1 || (used.len() == 1 && cut.devices.len() == 1);
    let flag = match backend.as_str() {
        "CUDA" | "ROCm" => "--usecuda",
        "Vulkan" => "--usevulkan",
        // Its builds for a Mac have one device and no option.
        "MTL" => return Ok(vec![gpu_layers]),
        other => return Err(format!("{other}: it has CUDA, ROCm, Vulkan and Metal")),
    };
    let mut arguments = Vec::new();
    match alone {
        true => arguments.push(option(flag, shares.len() - 1)),
        false => {
            arguments.push(flag.to_owned());
            let shares: Vec<String> = shares.iter().map(usize::to_string).collect();
            arguments.push(format!("--tensor_split {}", shares.join(" ")));
        }
    }
    arguments.push(gpu_layers);
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(devices: &[(&str, usize)]) -> Result<String, String> {
        let devices = devices.iter().map(|&(name, share)| (name.to_owned(), share)).collect();
        super::devices(&Cut { devices, head_apart: None }).map(|words| words.join(" "))
    }

    #[test]
    fn devices_are_numbers_of_a_backend() {
        assert_eq!(given(&[]).unwrap(), "--usecpu --gpulayers 0");
        assert_eq!(given(&[("CUDA0", 33)]).unwrap(), "--usecuda 0 --gpulayers 33");
        assert_eq!(given(&[("Vulkan2", 9)]).unwrap(), "--usevulkan 2 --gpulayers 9");
        assert_eq!(given(&[("MTL0", 9)]).unwrap(), "--gpulayers 9");
        let two = given(&[("CUDA0", 5), ("CUDA2", 4)]).unwrap();
        assert_eq!(two, "--usecuda --tensor_split 5 0 4 --gpulayers 9");
        assert!(given(&[("CUDA1", 5), ("CUDA0", 4)]).unwrap_err().contains("not behind"));
        assert!(given(&[("CUDA0", 5), ("Vulkan1", 4)]).unwrap_err().contains("one backend"));
        assert!(given(&[("SYCL0", 5)]).unwrap_err().contains("SYCL: it has CUDA"));
    }
}
