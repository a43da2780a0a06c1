//! LM Studio: `lms load` with a share of layers on the accelerator and the context.

use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::gpu_layers::blocks_on_accelerator;
use crate::llama_cpp::quantized;
use crate::shell::{option, script};

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let Written { mut files, mut steps } = quantized(order, layers);
    let Some(request) = order.request else {
        return Err("a context is needed, which an instance file does not tell".into());
    };
    if request.batch > 1 {
        return Err(format!("{} requests at once; `lms load` says nothing of them", request.batch));
    }
    let (on_accelerator, blocks) = blocks_on_accelerator(order, layers);
    let share = match on_accelerator {
        0 => "off".to_owned(),
        all if all == blocks => "max".to_owned(),
        some => format!("{:.4}", some as f64 / blocks as f64),
    };
    let arguments = [
        "\"${LMS:-lms}\" load".to_owned(),
        "\"$1\"".into(),
        option("--gpu", share),
        option("--context-length", request.context),
        option("--identifier", "planned"),
    ];
    let what = "Loads the model as planned: load.sh MODEL, as `lms ls` names it.";
    files.push(("load.sh".into(), script(what, ": \"${1:?a model of lms ls}\"\n", &arguments)));
    let home = order.deployment.host_name(order.deployment.source);
    steps
        .push(format!("On {home}: `lms import model.gguf`, `lms server start`, `./load.sh MODEL`"));
    steps.push("Ask <http://127.0.0.1:1234/v1> for the model `planned`".into());
    Ok(Written { files, steps })
}
