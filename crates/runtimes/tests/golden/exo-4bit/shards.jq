# The preview with these nodes in this order, its layers as planned.
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
