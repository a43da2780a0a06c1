//! Ollama: a Modelfile with the number of layers on the accelerator and the context.

use edgeplan_problem::format::Format;

use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::gpu_layers::{on_accelerator, quantized};
use crate::shell::script;

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let Written { mut files, mut steps } = quantized(order, layers);
    let Some(request) = order.request else {
        return Err("a context is needed, which an instance file does not tell".into());
    };
    let source = order.deployment.source;
    let modelfile = format!(
        "# As planned by edgeplan: blocks and output layer on the accelerator, tokens of context.\n\
         FROM ./model.gguf\n\
         PARAMETER num_gpu {}\n\
         PARAMETER num_ctx {}\n\
         PARAMETER num_batch {}\n",
        on_accelerator(order, layers),
        request.context,
        edgeplan_pricing::CHUNK
    );
    files.push(("Modelfile".into(), modelfile));
    let mut before =
        format!("cd \"$(dirname \"$0\")\"\nexport OLLAMA_NUM_PARALLEL={}\n", request.batch);
    if request.kv != Format::F16 {
        let kv = request.kv.name().to_ascii_lowercase();
        before += &format!("export OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE={kv}\n");
    }
    let serve = ["\"${OLLAMA:-ollama}\" serve".to_owned()];
    files.push(("serve.sh".into(), script("Starts the server as planned.", &before, &serve)));
    steps.push(format!("On {}: `./serve.sh`", order.deployment.host_name(source)));
    steps.push("Beside it: `ollama create planned -f Modelfile`, then `ollama run planned`".into());
    Ok(Written { files, steps })
}
