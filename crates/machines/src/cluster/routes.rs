//! The routes between devices that are best for some message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use edgeplan_problem::Nanos;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

/// Whether a node may forward; latency and bits per second of a link.
pub(super) type Graph = DiGraph<bool, (Nanos, u64)>;

/// The Pareto front of one pair of devices: latency and bits per second, both rising.
pub(super) type Front = Vec<(Nanos, u64)>;

/// Routes of all pairs together, of which each takes 16 bytes.
const ROUTES_MAX: usize = 16_000_000;

/// `routes[from][to]`: the Pareto front of (latency, bandwidth), for the first `devices` nodes.
/// Nodes that do not forward only start and end routes.
///
/// # Errors
/// How many routes there are at least, when they are more than [`ROUTES_MAX`].
pub(super) fn routes(graph: &Graph, devices: usize) -> Result<Vec<Vec<Front>>, String> {
    let (mut found, mut routes) = (0, Vec::with_capacity(devices));
    for from in 0..devices {
        let row = fronts(graph, from, devices);
        found += row.iter().map(Vec::len).sum::<usize>();
        if found > ROUTES_MAX {
            let problem = format!("more than {ROUTES_MAX} routes that are best for some message");
            return Err(problem + "; links of fewer different bandwidths are needed");
        }
        routes.push(row);
    }
    Ok(routes)
}

/// The Pareto fronts from one node to each of the first `devices` nodes: label setting for two
/// criteria (Hansen 1980, doi:10.1007/978-3-642-48782-8_9). Labels leave the heap in the order of
/// their latency, so a label is on the front of its node if none before had as much bandwidth.
///
/// # Complexity
/// O(L d log(L d)) for L labels on all fronts and nodes of degree d.
fn fronts(graph: &Graph, from: usize, devices: usize) -> Vec<Front> {
    let mut fronts = vec![Front::new(); devices];
    let mut widest = vec![0; graph.node_count()];
    let mut heap = BinaryHeap::from([(Reverse(Nanos::ZERO), u64::MAX, from)]);
    while let Some((Reverse(latency), bandwidth, node)) = heap.pop() {
        if bandwidth <= widest[node] {
            continue;
        }
        widest[node] = bandwidth;
        if node != from && node < devices {
            fronts[node].push((latency, bandwidth));
        }
        if node != from && !graph[NodeIndex::new(node)] {
            continue;
        }
        for edge in graph.edges(NodeIndex::new(node)) {
            let &(more, most) = edge.weight();
            let (next, narrowest) = (edge.target().index(), bandwidth.min(most));
            if narrowest > widest[next] {
                heap.push((Reverse(latency + more), narrowest, next));
            }
        }
    }
    fronts.iter_mut().for_each(Front::shrink_to_fit);
    fronts
}

#[cfg(test)]
mod tests {
    use petgraph::algo::dijkstra;
    use petgraph::visit::EdgeFiltered;
    use proptest::prelude::*;

    use super::*;

    /// The least latency of a route whose links all have that bandwidth, by Dijkstra.
    fn least(graph: &Graph, from: usize, to: usize, bandwidth: u64) -> Option<Nanos> {
        let start = NodeIndex::new(from);
        let usable = EdgeFiltered::from_fn(graph, |edge| {
            (edge.source() == start || graph[edge.source()]) && edge.weight().1 >= bandwidth
        });
        dijkstra(&usable, start, None, |edge| edge.weight().0).get(&NodeIndex::new(to)).copied()
    }

    proptest! {
        #[test]
        fn fronts_are_those_of_one_dijkstra_for_each_bandwidth(
            forwards in prop::collection::vec(any::<bool>(), 2..7),
            links in prop::collection::vec((0..7_usize, 0..7_usize, 0..9_u64, 1..6_u64), 0..30),
        ) {
            let mut graph = Graph::new();
            let nodes: Vec<NodeIndex> = forwards.iter().map(|&each| graph.add_node(each)).collect();
            for (from, to, latency, bandwidth) in links {
                let [from, to] = [from, to].map(|node| node % nodes.len());
                if from != to {
                    graph.add_edge(nodes[from], nodes[to], (Nanos(latency), bandwidth));
                }
            }
            let found = routes(&graph, nodes.len()).unwrap();
            for (from, row) in found.iter().enumerate() {
                for (to, front) in row.iter().enumerate().filter(|&(to, _)| to != from) {
                    let rises = |two: &[(Nanos, u64)]| two[0].0 < two[1].0 && two[0].1 < two[1].1;
                    prop_assert!(front.windows(2).all(rises), "{front:?}");
                    for bandwidth in 1..6 {
                        let best = front.iter().find(|route| route.1 >= bandwidth);
                        let expected = least(&graph, from, to, bandwidth);
                        prop_assert_eq!(best.map(|route| route.0), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn a_thousand_devices_of_different_bandwidths_at_a_switch() {
        let mut graph = Graph::new();
        let nodes: Vec<NodeIndex> = (0..1000).map(|_| graph.add_node(false)).collect();
        let switch = graph.add_node(true);
        for (index, &node) in nodes.iter().enumerate() {
            let weight = (Nanos(1000), 1_000_000 + index as u64);
            graph.add_edge(node, switch, weight);
            graph.add_edge(switch, node, weight);
        }
        let found = routes(&graph, 1000).unwrap();
        // One route for each pair, not one for each of a thousand bandwidths.
        assert_eq!(found.iter().flatten().map(Vec::len).sum::<usize>(), 999_000);
        assert_eq!(found[3][7], [(Nanos(2000), 1_000_003)]);
    }
}
