//! distributed-llama: what a plan of layers can say of it is one node.

use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::shell::{option, script};

pub(crate) fn files(order: &Order, _layers: &[Placed]) -> Result<Written, String> {
    let arguments = [
        "\"${DLLAMA_API:-./dllama-api}\"".to_owned(),
        "--model \"$1\" --tokenizer \"$2\"".into(),
        option("--buffer-float-type", "q80"),
        format!("--max-seq-len {}", order.context()),
        option("--port", 9999),
        "--nthreads \"${THREADS:-$(nproc)}\"".into(),
    ];
    let before = ": \"${1:?the model, as converted}\" \"${2:?its tokenizer}\"\n";
    let serve = script("Serves the model: serve.sh MODEL.m TOKENIZER.t", before, &arguments);
    let home = order.name(order.deployment.source);
    let steps = vec![
        "Once, in its folder `converter`: `python convert-hf.py MODEL q40 NAME` and `python \
         convert-tokenizer-hf.py MODEL NAME`"
            .into(),
        format!("On {home}: `./serve.sh dllama_model_NAME_q40.m dllama_tokenizer_NAME.t`"),
    ];
    Ok(Written { files: vec![("serve.sh".into(), serve)], steps })
}
