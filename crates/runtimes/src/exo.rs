//! exo: its own preview of an instance, with the layers of the plan written into it.
//!
//! An instance names runners, hosts and ports that only a running cluster knows, so the script
//! asks for a preview on as many nodes, checks that its ring has the plan's order, replaces the
//! ranges, and creates that.

use serde_json::json;

use crate::chain::Placed;
use crate::export::{Order, Written, runs};
use crate::shell::script;

const FILTER: &str = r#"# The preview with these nodes in this order, its layers as planned.
[ .previews[]
  | select(.sharding == "Pipeline" and .instance_meta == "MlxRing" and .instance != null)
  | .instance
  | .MlxRingInstance.shardAssignments as $old
  | ($old.nodeToRunner | with_entries({key: .value, value: .key})) as $node
  | ($old.runnerToShard | to_entries
      | sort_by(.value.PipelineShardMetadata.deviceRank) | map($node[.key])) as $ring
  | select($ring == ($plan[0].shards | map(.node)))
  | .MlxRingInstance.shardAssignments.runnerToShard |= with_entries(
      .value.PipelineShardMetadata |= (. as $shard
        | $plan[0].shards[$shard.deviceRank] as $new
        | .startLayer = $new.start_layer | .endLayer = $new.end_layer)) ]
| if length == 0
  then error("exo offers no ring of these nodes in this order") else {instance: .[0]} end
"#;

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    of_model(order, layers, "bf16")
}

/// Of a model in MLX's 8 bits.
pub(crate) fn files_8bit(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    of_model(order, layers, "8bit")
}

/// Of a model in MLX's 4 bits.
pub(crate) fn files_4bit(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    of_model(order, layers, "4bit")
}

/// Of a model of that kind, as repositories of mlx-community end.
fn of_model(order: &Order, layers: &[Placed], kind: &str) -> Result<Written, String> {
    let mut shards = Vec::new();
    for run in runs(layers) {
        shards.push(json!({
            "node": order.address(run.device, "")?,
            "start_layer": run.first,
            "end_layer": run.first + run.count,
        }));
    }
    let plan = serde_json::to_string_pretty(&json!({ "shards": shards }))
        .map_err(|error| error.to_string())?;
    let nodes = shards.len();
    let before = format!(": \"${{1:?a {kind} model of mlx-community}}\"\n")
        + "\
         API=${EXO_API:-http://127.0.0.1:52415}\n\
         HERE=$(dirname \"$0\")\n\
         PREVIEW=$(curl --fail --silent --show-error --get \\\n  \
         --data-urlencode \"model_id=$1\" \"$API/instance/previews\")\n\
         INSTANCE=$(printf '%s' \"$PREVIEW\" | jq --slurpfile plan \"$HERE/shards.json\" \\\n  \
         --from-file \"$HERE/shards.jq\")\n";
    let post = [
        "curl --fail --silent --show-error --request POST".to_owned(),
        "--header 'Content-Type: application/json'".into(),
        "--data \"$INSTANCE\"".into(),
        "\"$API/instance\"".into(),
    ];
    let what =
        format!("Creates the instance on {nodes} nodes: deploy.sh mlx-community/MODEL-{kind}");
    let files = vec![
        ("shards.json".into(), format!("{plan}\n")),
        ("shards.jq".into(), FILTER.into()),
        ("deploy.sh".into(), script(&what, &before, &post)),
    ];
    let steps = vec![
        "On every device: start exo. `shards.json` must name nodes as exo does (`curl \
         http://127.0.0.1:52415/state`); `--at DEVICE=NODE` writes them"
            .into(),
        format!(
            "Anywhere among them: `./deploy.sh mlx-community/MODEL-{kind}` (needs curl and jq)"
        ),
    ];
    Ok(Written { files, steps })
}
