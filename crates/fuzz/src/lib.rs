//! Fuzz targets: every parser of the workspace, the certificate checker, both sides of the link
//! protocol, and pairs of instance and plan.
//!
//! A target takes any bytes. A target may refuse its input; it must not panic, hang, or take much
//! memory, and what it accepts must keep the promises of the type: an instance can be evaluated, a
//! file that was written is read again as the same value, a certified bound is no higher than the
//! optimum that brute force finds.
//!
//! Tests run every target on its seeds, its corpus and some changes of both. A campaign runs one
//! binary under libFuzzer, guided by coverage, on the stable toolchain: see the crate's README.

mod bounds;
#[cfg(feature = "composed")]
mod composed;
mod deployments;
mod link;
mod machines;
mod models;
mod operations;
mod place;
mod quantities;
mod samples;

/// A target and the inputs that a campaign begins with.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name on the command line and the folder in `tests/corpus`.
    pub name: &'static str,
    /// What it reads, in a few words.
    pub about: &'static str,
    /// Feeds it an input. A defect is a panic.
    pub run: fn(&[u8]),
    /// Valid inputs, and inputs that are nearly valid.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "gguf",
        about: "GGUF model files, priced",
        run: models::gguf,
        seeds: models::gguf_seeds,
    },
    Target {
        name: "config",
        about: "`config.json` of Hugging Face, priced",
        run: models::config,
        seeds: models::config_seeds,
    },
    Target {
        name: "distilp-model",
        about: "model files of distilp, priced",
        run: models::distilp,
        seeds: models::distilp_seeds,
    },
    Target {
        name: "safetensors",
        about: "headers of safetensors files",
        run: models::safetensors,
        seeds: models::safetensors_seeds,
    },
    Target {
        name: "sensitivity",
        about: "sensitivity files, attached to a model",
        run: models::sensitivity,
        seeds: models::sensitivity_seeds,
    },
    Target {
        name: "import-sensitivity",
        about: "tables of GGUF Tool Suite",
        run: models::import_sensitivity,
        seeds: models::import_sensitivity_seeds,
    },
    Target {
        name: "cluster",
        about: "cluster.toml, priced",
        run: machines::cluster,
        seeds: machines::cluster_seeds,
    },
    Target {
        name: "device",
        about: "device.toml",
        run: machines::device,
        seeds: machines::device_seeds,
    },
    Target {
        name: "profile",
        about: "profiles of `edgeplan profile`, fitted",
        run: machines::profile,
        seeds: machines::profile_seeds,
    },
    Target {
        name: "import-llama-bench",
        about: "output of llama-bench",
        run: machines::llama_bench,
        seeds: machines::llama_bench_seeds,
    },
    Target {
        name: "import-distilp",
        about: "device profiles of distilp",
        run: machines::distilp,
        seeds: machines::distilp_seeds,
    },
    Target {
        name: "import-rtt",
        about: "matrices of round-trip times",
        run: machines::rtt,
        seeds: machines::rtt_seeds,
    },
    Target {
        name: "import-helix",
        about: "clusters of Helix",
        run: machines::helix,
        seeds: machines::helix_seeds,
    },
    Target {
        name: "workload",
        about: "workload.toml, priced",
        run: deployments::workload,
        seeds: deployments::workload_seeds,
    },
    Target {
        name: "instance",
        about: "instance files, evaluated",
        run: deployments::instance,
        seeds: deployments::instance_seeds,
    },
    Target {
        name: "plan",
        about: "plan files, resolved and evaluated",
        run: deployments::plan,
        seeds: deployments::plan_seeds,
    },
    Target {
        name: "pair",
        about: "an instance of any numbers, and every plan of it",
        run: bounds::pair,
        seeds: bounds::noise,
    },
    Target {
        name: "certificate",
        about: "certificates of any numbers against brute force",
        run: bounds::certificate,
        seeds: bounds::noise,
    },
    Target {
        name: "host-certificate",
        about: "certificates over hosts, of any numbers, against brute force",
        run: bounds::host_certificate,
        seeds: bounds::noise,
    },
    Target {
        name: "configuration-certificate",
        about: "certificates over configurations, of any numbers, against brute force",
        run: bounds::configuration_certificate,
        seeds: bounds::noise,
    },
    #[cfg(feature = "composed")]
    Target {
        name: "certificate-file",
        about: "certificate files, checked",
        run: composed::certificate_file,
        seeds: composed::certificate_file_seeds,
    },
    Target {
        name: "schedule-toml",
        about: "decision frames in TOML, evaluated",
        run: operations::schedule_toml,
        seeds: operations::schedule_toml_seeds,
    },
    Target {
        name: "schedule-json",
        about: "decision frames in JSON, written and read again",
        run: operations::schedule_json,
        seeds: operations::schedule_json_seeds,
    },
    Target {
        name: "schedule-plan",
        about: "schedules, resolved and evaluated",
        run: operations::schedule_plan,
        seeds: operations::schedule_plan_seeds,
    },
    Target {
        name: "batch",
        about: "batch.toml, built",
        run: operations::batch,
        seeds: operations::batch_seeds,
    },
    #[cfg(feature = "composed")]
    Target {
        name: "service",
        about: "service.toml",
        run: composed::service,
        seeds: composed::service_seeds,
    },
    Target {
        name: "trace",
        about: "request traces, CSV and JSON lines",
        run: operations::trace,
        seeds: operations::trace_seeds,
    },
    #[cfg(feature = "composed")]
    Target {
        name: "suite",
        about: "suites of instances",
        run: composed::suite,
        seeds: composed::suite_seeds,
    },
    Target {
        name: "records",
        about: "records.csv of a bench folder",
        run: operations::records,
        seeds: operations::records_seeds,
    },
    Target {
        name: "quantities",
        about: "sizes, rates, times, shares and recipes, written and read again",
        run: quantities::quantities,
        seeds: quantities::seeds,
    },
    Target {
        name: "link-server",
        about: "what a client says to the link server",
        run: link::server,
        seeds: link::server_seeds,
    },
    Target {
        name: "link-client",
        about: "what a server says to the link client",
        run: link::client,
        seeds: link::client_seeds,
    },
];

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
