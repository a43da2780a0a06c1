//! Hosts of several devices: their names, memory, links, and what is refused.

use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::device::Backend;
use edgeplan_problem::{Bytes, Nanos};

const LAB: &str = "source = 'pc'\n\
    [host.pc]\n\
    devices = ['catalog:rtx-3090-24', 'catalog:rtx-3060-12', 'catalog:ryzen-9-5900x']\n\
    ram = '64 GiB'\n\
    internal = { bandwidth = '8 GB/s', latency = '10 us' }\n\
    [[host.pc.device]]\nprofile = 'catalog:rtx-4060-8'\nmemory = '7 GiB'\n\
    [device.mini]\nprofile = 'catalog:apple-m4'\n\
    [[link]]\nbetween = ['pc', 'mini']\nbandwidth = '1 Gbit/s'\nlatency = '1 ms'\n";

fn parse(text: &str) -> Cluster {
    Cluster::parse("lab.toml", text).unwrap()
}

/// A faster link inside of a host.
fn bridge(one: &str, two: &str) -> String {
    format!("[[link]]\nbetween = ['{one}', '{two}']\nbandwidth = '80 GB/s'\nlatency = '5 us'\n")
}

fn place(cluster: &Cluster, name: &str) -> usize {
    cluster.devices.iter().position(|(known, _)| known == name).unwrap()
}

#[test]
fn devices_are_called_by_host_backend_and_number() {
    let cluster = parse(LAB);
    let names: Vec<&str> = cluster.devices.iter().map(|(name, _)| name.as_str()).collect();
    // Requests enter at the RAM of the source.
    assert_eq!(names, ["pc/cpu", "mini", "pc/cuda0", "pc/cuda1", "pc/cuda2"]);
    assert_eq!(cluster.hosts, ["pc"]);
    assert_eq!(cluster.host_of, [Some(0), None, Some(0), Some(0), Some(0)]);
    let backends: Vec<_> = (0..5).map(|device| cluster.backend(device).unwrap()).collect();
    let [cpu, cuda, metal] = [Backend::Cpu, Backend::Cuda, Backend::Metal].map(Some);
    assert_eq!(backends, [cpu, metal, cuda, cuda, cuda]);
    let discrete: Vec<bool> = (0..5).map(|device| cluster.is_discrete(device).unwrap()).collect();
    assert_eq!(discrete, [false, false, true, true, true]);
}

#[test]
fn memory_is_in_gib_less_what_the_system_keeps() {
    let cluster = parse(LAB);
    let usable = |name: &str| {
        let index = place(&cluster, name);
        cluster.devices[index].1.usable(cluster.profile(index).unwrap())
    };
    // 98 % of 24 GiB: with llama.cpp's margin of 1 GiB 22.5 GiB are left for a model.
    let gib = |name: &str| usable(name).as_f64() / f64::from(1 << 30);
    assert!((gib("pc/cuda0") - 23.52).abs() < 0.01);
    assert!((gib("pc/cpu") - 0.9 * 64.0).abs() < 0.01);
    assert_eq!(usable("pc/cuda2"), Bytes(7 << 30));
    // Metal recommends two thirds of 32 GiB.
    assert!((gib("mini") - 21.34).abs() < 0.01);
}

#[test]
fn copies_take_the_internal_link_and_the_network_ends_in_ram() {
    let cluster = parse(LAB);
    let transfer = |from: &str, to: &str, bytes: u64| {
        cluster.transfer(place(&cluster, from), place(&cluster, to), 1, Bytes(bytes))
    };
    // 8 kB at 8 GB/s
    assert_eq!(transfer("pc/cpu", "pc/cuda0", 8000), Some(Nanos(10_000 + 1000)));
    assert_eq!(transfer("pc/cuda0", "pc/cuda2", 8000), Some(Nanos(10_000 + 1000)));
    // 8 kB at 1 Gbit/s
    assert_eq!(transfer("pc/cpu", "mini", 8000), Some(Nanos(1_000_000 + 64_000)));
    assert_eq!(transfer("mini", "pc/cpu", 8000), Some(Nanos(1_000_000 + 64_000)));
    assert_eq!(transfer("pc/cuda1", "mini", 8000), Some(Nanos(1_010_000 + 64_000)));
    assert_eq!(transfer("mini", "pc/cuda1", 8000), Some(Nanos(1_010_000 + 64_000)));
    let bridged = format!("{LAB}{}", bridge("pc/cuda0", "pc/cuda1"));
    let cluster = parse(&bridged);
    let ends = [place(&cluster, "pc/cuda0"), place(&cluster, "pc/cuda1")];
    assert_eq!(cluster.transfer(ends[0], ends[1], 1, Bytes(8000)), Some(Nanos(5100)));
}

#[test]
fn only_a_relay_forwards_through_a_host() {
    let line = "[device.far]\nprofile = 'catalog:apple-m4'\n\
        [[link]]\nbetween = ['pc', 'far']\nbandwidth = '1 Gbit/s'\nlatency = '1 ms'\n";
    let cluster = parse(&format!("{LAB}{line}"));
    let ends = |cluster: &Cluster| [place(cluster, "mini"), place(cluster, "far")];
    let [mini, far] = ends(&cluster);
    assert_eq!(cluster.transfer(mini, far, 1, Bytes(1)), None);
    let relay = LAB.replacen("ram = ", "relay = true\nram = ", 1);
    let cluster = parse(&format!("{relay}{line}"));
    assert_eq!(cluster.transfer(mini, far, 1, Bytes(0)), Some(Nanos(2_000_000)));
}

#[test]
fn a_host_of_one_device_is_that_device() {
    let cluster = parse("source = 'pc'\n[host.pc]\ndevices = ['catalog:rtx-3090']\n");
    assert_eq!(cluster.devices[0].0, "pc/cuda0");
    assert_eq!((cluster.hosts.len(), cluster.host_of[0]), (0, None));
}

#[test]
fn named_links_have_published_rates() {
    let time = |internal: &str| {
        let text = LAB.replacen("{ bandwidth = '8 GB/s', latency = '10 us' }", internal, 1);
        let cluster = parse(&text);
        let pair = [place(&cluster, "pc/cpu"), place(&cluster, "pc/cuda0")];
        cluster.transfer(pair[0], pair[1], 1, Bytes(1_000_000_000)).unwrap().as_f64() / 1e6
    };
    // 1 GB at 31.5, 3.94 and 15.75 GB/s, and 20 us
    for (internal, milliseconds) in
        [("'pcie-4x16'", 31.738), ("'pcie-3x4'", 253.906), ("'pcie-5x4'", 63.477)]
    {
        assert!((time(internal) - milliseconds - 0.02).abs() < 0.001, "{internal}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_key() {
    let cases = [
        ("devices = [", "devics = [", "host.pc.devics: unknown field `devics`"),
        ("ram = '64 GiB'", "ram = '64 GHz'", "host.pc.ram: `64 GHz`"),
        ("'catalog:ryzen-9-5900x'", "'catalog:rtx-3070'", "host.pc.ram: no device of this host is"),
        ("'catalog:rtx-3060-12'", "'catalog:epyc-7763'", "a second device of backend cpu"),
        ("'catalog:rtx-3060-12'", "'catalog:rtx-3068'", "host.pc.devices[1]: catalog:rtx-3068"),
        ("{ bandwidth = '8 GB/s', latency = '10 us' }", "'pcie-9x16'", "`pcie-9x16`: `pcie-GxL`"),
        ("bandwidth = '8 GB/s'", "bandwidth = '0 GB/s'", "bandwidth: 0; more than that"),
        ("bandwidth = '8 GB/s'", "speed = '8 GB/s'", "expected `bandwidth`"),
        ("source = 'pc'", "source = 'pd'", "neither a device nor a host nor a switch; did you"),
        ("source = 'pc'", "source = 'pc/cuda0'", "source: `pc/cuda0`"),
        ("between = ['pc',", "between = ['pc/cuda0',", "a network ends at the host, `pc`"),
        ("[device.mini]", "[device.pc]", "host.pc: a device has the same name"),
        ("memory = '7 GiB'", "relay = true", "a host forwards, not its device"),
    ];
    for (from, to, expected) in cases {
        let text = LAB.replacen(from, to, 1);
        assert_ne!(text, LAB, "{from}");
        let error = Cluster::parse("lab.toml", &text).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    let empty = Cluster::parse("lab.toml", "source = 'pc'\n[host.pc]\n").unwrap_err().to_string();
    assert!(empty.contains("host.pc.devices: none; at least one profile"), "{empty}");
    let ghost = format!("{LAB}{}", bridge("pc/cuda0", "pc/cuda9"));
    let error = Cluster::parse("lab.toml", &ghost).unwrap_err().to_string();
    assert!(error.contains("link[1].between: `pc/cuda9`"), "{error}");
}
