//! Files of what is composed of solvers: suites, services, certificates.

use edgeplan::CertificateFile;
use edgeplan_certificate::{Certificate, ConfigurationCertificate, HostCertificate, Resource};
use edgeplan_files::deployment::fingerprint;
use edgeplan_harness::registry::ALL;
use edgeplan_harness::suite::Suite;
use edgeplan_problem::Cost;
use edgeplan_problem::deployment::Deployment;
use edgeplan_service::platform::{Arrivals, Platform};

use crate::samples::{self, json};

const PLATFORM: &str = include_str!("../../../bench-data/services/campus.toml");

pub(crate) fn service(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(platform) = Platform::parse("/nowhere/s.toml", &text) else { return };
    if platform.load.requests <= 1000 && !matches!(platform.load.arrivals, Arrivals::Trace(_)) {
        drop(edgeplan_service::requests(&platform));
    }
}

pub(crate) fn service_seeds() -> Vec<Vec<u8>> {
    vec![PLATFORM.into()]
}

pub(crate) fn suite(bytes: &[u8]) {
    drop(Suite::parse("/nowhere/s.toml", &String::from_utf8_lossy(bytes), &ALL));
}

pub(crate) fn suite_seeds() -> Vec<Vec<u8>> {
    let suites = [
        include_str!("../../../bench-data/suites/smoke.toml"),
        include_str!("../../../bench-data/suites/quick/quick-chain.toml"),
        include_str!("../../../bench-data/suites/quick/quick-schedules.toml"),
        include_str!("../../../bench-data/suites/quick/quick-batching.toml"),
    ];
    suites.map(|text| text.as_bytes().to_vec()).into()
}

thread_local! {
    static SMALL: (Deployment, Cost) = {
        let instance = samples::instance(0);
        let (optimum, _) = instance.brute_force().expect("the sample is feasible");
        (instance, optimum)
    };
}

/// A certificate file of one instance.
pub(crate) fn certificate_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(file) = CertificateFile::parse("c.json", &text) else { return };
    SMALL.with(|(instance, optimum)| {
        if let Ok(bound) = file.proven("c.json", instance, None) {
            assert!(bound <= *optimum, "a bound of {bound} above the optimum {optimum}");
        }
    });
}

pub(crate) fn certificate_file_seeds() -> Vec<Vec<u8>> {
    let instance = samples::instance(0);
    let layers = instance.models[0].layers.len();
    let certificate = Certificate {
        lower_bound: Cost(0),
        scale_bits: 4,
        loss_price: 3,
        visit_price: vec![5, 7],
        remembered: vec![vec![1], vec![]],
        unit: vec![1 << 20, 1 << 21],
        reference: vec![vec![1 << 22; layers], vec![0; layers]],
    };
    let hosts = HostCertificate {
        lower_bound: Cost(0),
        scale_bits: 4,
        loss_price: 3,
        byte_price: vec![5, 7],
        visit_price: vec![1, 2],
        remembered: vec![vec![1], vec![]],
    };
    let places = vec![vec![vec![-3_i64; 2]; layers]];
    let configurations = ConfigurationCertificate {
        lower_bound: Cost(0),
        scale_bits: 4,
        begin: places.clone(),
        end: places,
        loss_price: vec![0],
        latency_price: vec![0],
        compute_price: vec![0; 2],
        sending_price: vec![0; 2],
        traffic_price: vec![0; 2],
        counted: vec![Resource::Memory; 2],
        unit: vec![1 << 20, 1 << 21],
        within_price: vec![0; 2],
    };
    let file = |key: &str, certificate: serde_json::Value| {
        json(&serde_json::json!({
            "schema": "edgeplan-certificate/1",
            "instance": fingerprint(&instance),
            key: certificate,
        }))
    };
    vec![
        file("certificate", serde_json::json!(certificate)),
        file("hosts", serde_json::json!(hosts)),
        file("configurations", serde_json::json!(configurations)),
    ]
}
