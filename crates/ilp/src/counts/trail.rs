//! The device of every layer, such that every passage from device to device is made as often as the
//! counts say: a trail through a graph whose nodes are a class and a device each, along every
//! passage once (Hierholzer, Mathematische Annalen 6, 1873).

use edgeplan_problem::deployment::DeviceId;

use super::layout::Passage;

/// A passage and how often it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) passage: Passage,
    pub(super) times: u64,
}

/// The devices of a chain whose layers have these classes, from a start.
///
/// The trail is the chain's where layers follow one another in one cycle of classes, as attention
/// and experts do. Where it is not, the chain is walked along what passages are left; none if that
/// leads nowhere.
pub(super) fn devices(
    of_layer: &[usize],
    made: &[Made],
    start: DeviceId,
    hosts: &[usize],
) -> Option<Vec<DeviceId>> {
    trail(of_layer, made, start).or_else(|| walk(of_layer, made, start, hosts))
}

fn trail(of_layer: &[usize], made: &[Made], start: DeviceId) -> Option<Vec<DeviceId>> {
    let mut left = made.to_vec();
    let mut waiting = vec![Node { class: of_layer[0], device: start }];
    let mut done = Vec::with_capacity(of_layer.len());
    while let Some(&node) = waiting.last() {
        let from = |made: &&mut Made| made.times > 0 && node.is_before(made.passage);
        match left.iter_mut().find(from) {
            Some(made) => {
                made.times -= 1;
                let Passage { classes, devices } = made.passage;
                waiting.push(Node { class: classes[1], device: devices[1] });
            }
            None => done.extend(waiting.pop()),
        }
    }
    done.reverse();
    let is_chain = done.iter().map(|node| node.class).eq(of_layer.iter().copied());
    let follow = |pair: &[Node]| {
        made.iter().any(|made| made.times > 0 && made.passage == pair[0].to(pair[1]))
    };
    (is_chain && done.windows(2).all(follow))
        .then(|| done.into_iter().map(|node| node.device).collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    class: usize,
    device: DeviceId,
}

impl Node {
    fn is_before(self, passage: Passage) -> bool {
        passage.classes[0] == self.class && passage.devices[0] == self.device
    }

    fn to(self, next: Self) -> Passage {
        Passage { classes: [self.class, next.class], devices: [self.device, next.device] }
    }
}

/// Layer by layer: along passages that are left, those that stay on a host first; then to where
/// layers of the class are still to come.
fn walk(
    of_layer: &[usize],
    made: &[Made],
    start: DeviceId,
    hosts: &[usize],
) -> Option<Vec<DeviceId>> {
    let mut left = made.to_vec();
    let mut devices = vec![start];
    for pair in of_layer.windows(2) {
        let at = Node { class: pair[0], device: *devices.last()? };
        let host = hosts[at.device.index()];
        let follows = |made: &Made| made.times > 0 && made.passage.classes == [pair[0], pair[1]];
        let leaves = |made: &Made| hosts[made.passage.devices[1].index()] != host;
        let exact = |made: &Made| follows(made) && at.is_before(made.passage);
        let index = (0..left.len())
            .filter(|&index| exact(&left[index]))
            .min_by_key(|&index| (leaves(&left[index]), std::cmp::Reverse(left[index].times)))
            .or_else(|| (0..left.len()).find(|&i| follows(&left[i]) && !leaves(&left[i])))
            .or_else(|| (0..left.len()).find(|&i| follows(&left[i])))?;
        left[index].times -= 1;
        devices.push(left[index].passage.devices[1]);
    }
    Some(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(classes: [usize; 2], devices: [u16; 2], times: u64) -> Made {
        let devices = devices.map(DeviceId);
        Made { passage: Passage { classes, devices }, times }
    }

    #[test]
    fn a_cycle_is_taken_in_where_the_trail_comes_by() {
        // Attention on 0, experts on 0 or 1: one block goes over to 1 and back.
        let of_layer = [0, 1, 0, 1, 0, 1];
        let made = [
            made([0, 1], [0, 0], 2),
            made([0, 1], [0, 1], 1),
            made([1, 0], [0, 0], 1),
            made([1, 0], [1, 0], 1),
        ];
        let found = devices(&of_layer, &made, DeviceId(0), &[0, 0]).expect("there is a trail");
        assert_eq!(found.iter().filter(|device| device.0 == 1).count(), 1);
        assert!(found.iter().step_by(2).all(|device| device.0 == 0), "{found:?}");
    }

    #[test]
    fn what_is_not_connected_has_no_trail() {
        let of_layer = [0, 0, 0];
        let apart = [made([0, 0], [0, 0], 1), made([0, 0], [1, 1], 1)];
        assert_eq!(trail(&of_layer, &apart, DeviceId(0)), None);
    }
}
