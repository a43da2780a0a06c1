//! Why the source cannot reach a device, and what would help.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ClusterFile;

/// What is wrong, for people: which devices are lost, what lies between, and the key that helps.
pub(super) fn reason(wire: &ClusterFile, lost: &[&str]) -> String {
    let names = lost.join(", ");
    let between: BTreeSet<&str> =
        lost.iter().flat_map(|device| blocked(wire, machine(wire, device))).collect();
    if between.is_empty() {
        let found = found(wire);
        let unlinked = lost.iter().all(|device| !found.contains(machine(wire, device)));
        let where_to = if unlinked { "no link leads there" } else { "links lead only from there" };
        return format!("the source cannot reach {names}: {where_to}; add a link or a switch");
    }
    let tables: Vec<String> = between
        .iter()
        .map(|name| match wire.host.contains_key(*name) {
            true => format!("[host.{name}]"),
            false => format!("[device.{name}]"),
        })
        .collect();
    let between: Vec<&str> = between.into_iter().collect();
    let (verb, do_not) = if between.len() == 1 { ("lies", "does") } else { ("lie", "do") };
    format!(
        "the source cannot reach {names}: {} {verb} between and {do_not} not forward messages of \
         others; `relay = true` in {} lets it, and so does a link or a switch past it",
        between.join(", "),
        tables.join(" and "),
    )
}

/// The host that a device is written in, or the device itself.
fn machine<'a>(wire: &ClusterFile, name: &'a str) -> &'a str {
    match name.split_once('/') {
        Some((host, _)) if wire.host.contains_key(host) => host,
        _ => name,
    }
}

/// Whom each machine can send to by one link.
fn neighbours(wire: &ClusterFile) -> BTreeMap<&str, Vec<&str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for link in &wire.link {
        let [from, to] = link.between.each_ref().map(|name| machine(wire, name));
        next.entry(from).or_default().push(to);
        if !link.one_way {
            next.entry(to).or_default().push(from);
        }
    }
    next
}

/// Every machine that some link leads to.
fn found(wire: &ClusterFile) -> BTreeSet<&str> {
    neighbours(wire).into_values().flatten().collect()
}

/// Machines between the source and `to` that do not forward, on the shortest way by links; none
/// where no links lead there at all.
fn blocked<'a>(wire: &'a ClusterFile, to: &str) -> Vec<&'a str> {
    let next = neighbours(wire);
    let source = machine(wire, &wire.source);
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([source]);
    while let Some(here) = open.pop_front() {
        for &there in next.get(here).into_iter().flatten() {
            if there != source && !before.contains_key(there) {
                before.insert(there, here);
                open.push_back(there);
            }
        }
    }
    let mut on_the_way = Vec::new();
    let mut here = before.get(to).copied();
    while let Some(name) = here.filter(|name| *name != source) {
        let device = wire.device.get(name).is_some_and(|device| !device.relay);
        if device || wire.host.get(name).is_some_and(|host| !host.relay) {
            on_the_way.push(name);
        }
        here = before.get(name).copied();
    }
    on_the_way.reverse();
    on_the_way
}

#[cfg(test)]
mod tests {
    use super::super::Cluster;

    const CHAIN: &str = "source = 'laptop'\n[device.laptop]\nprofile = 'catalog:apple-m1'\n\
        [host.pc]\ndevices = ['catalog:rtx-3060-12', 'catalog:ryzen-9-5900x']\n\
        [device.nano]\nprofile = 'catalog:rtx-3060-12'\n\
        [[link]]\nbetween = ['laptop', 'nano']\nbandwidth = '1 Gbps'\nlatency = '1 ms'\n\
        [[link]]\nbetween = ['nano', 'pc']\nbandwidth = '1 Gbps'\nlatency = '1 ms'\n";

    fn error(text: &str) -> String {
        Cluster::parse("c.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_machine_between_that_does_not_forward_is_named_with_the_key_that_helps() {
        let error = error(CHAIN);
        assert!(error.starts_with("c.toml: link: the source cannot reach pc/"), "{error}");
        assert!(error.contains("nano lies between and does not forward"), "{error}");
        assert!(error.contains("`relay = true` in [device.nano]"), "{error}");
        let helped = CHAIN.replace("[device.nano]\n", "[device.nano]\nrelay = true\n");
        assert!(Cluster::parse("c.toml", &helped).is_ok());
    }

    #[test]
    fn without_any_link_a_link_is_asked_for() {
        let (text, _) = CHAIN.rsplit_once("[[link]]").unwrap();
        let error = error(text);
        assert!(error.contains("no link leads there; add a link or a switch"), "{error}");
    }
}
