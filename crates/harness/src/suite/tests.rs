use edgeplan_problem::deployment::{Deployment, Objective, Placement};

use edgeplan_records::folder::Folder;
use edgeplan_records::row::Record;

use super::*;
use crate::registry::ALL;

const HEAD: &str = "analysis = \"why\"\nsolvers = [\"highs\"]\n";

fn suite(families: &str) -> Result<Suite, String> {
    Suite::parse("a/try.toml", &format!("{HEAD}{families}"), &ALL)
        .map_err(|error| error.to_string())
}

fn deployment(case: &Case) -> Deployment {
    let Instance::Deployment(instance) = case.generate().unwrap() else { panic!("{}", case.name) };
    instance
}

#[test]
fn lists_expand_to_their_product_and_every_instance_is_itself() {
    let text = "[[family]]\nname = \"random\"\nlayers = [6, 8]\ndevices = [2, 3]\nseeds = [0, 7]\n\
                formats = 2\nplacement = \"free\"\nobjective = \"bottleneck\"";
    let suite = suite(text).unwrap();
    assert_eq!((suite.name.as_str(), suite.cases.len()), ("try", 8));
    let case = &suite.cases[7];
    assert_eq!(case.name, "random-8x3x2-m143-bottleneck-free-7");
    let instance = deployment(case);
    assert_eq!(instance, deployment(case));
    assert_eq!(instance.name, case.name);
    assert_eq!((instance.models[0].layers.len(), instance.devices.len()), (8, 3));
    assert_eq!(instance.placement, Placement::Free);
    assert_eq!(instance.objective, Objective::Bottleneck);
}

#[test]
fn a_catalog_family_and_the_testbed_are_what_was_asked_for() {
    let text = "[[family]]\nname = \"classes\"\nlayers = [8]\ndevices = [5]\nseeds = [1]\n\
                classes = 2\nformats = 3\nrecipes = 9\ntight-percent = 150\n\
                [[family]]\nname = \"edgeshard\"\nagx = [2]\nnx = [1]\n";
    let suite = suite(text).unwrap();
    let names: Vec<&str> = suite.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["classes-llama-3.1-8b-8x5x9-tight-150-1", "edgeshard-2-1"]);
    let classes = deployment(&suite.cases[0]);
    let most = classes.models[0].layers.iter().map(|layer| layer.options.len()).max();
    assert_eq!(most, Some(9));
    assert_eq!(classes.devices[0].name[4..], classes.devices[2].name[4..]);
    assert_eq!(deployment(&suite.cases[1]).devices.len(), 4);
}

#[test]
fn what_a_scaling_study_varies_is_told_in_the_parameters() {
    let text = "[[family]]\nname = \"random\"\nlayers = [4]\ndevices = [3]\nseeds = [0]\n\
                models = [1, 2]\ntight-percent = [105, 200]\nquality-percent = 80\n\
                [[family]]\nname = \"packing\"\nbins = [2]\nseeds = [3]\nitems = \"models\"\n";
    let suite = suite(text).unwrap();
    assert_eq!(suite.cases.len(), 5);
    let two = &suite.cases[3];
    assert_eq!(two.name, "random-4x3x4-m143-models-2-tight-200-quality-80-0");
    let numbers = [("memory", 143), ("models", 2), ("tight", 200), ("quality", 80)];
    assert_eq!(two.parameters, parameters("random", numbers));
    let (one, two) = (deployment(&suite.cases[1]), deployment(two));
    assert_eq!((one.models.len(), two.models.len()), (1, 2));
    let most = two.models[0].layers.iter().map(|layer| layer.options[0].loss.0).sum::<u64>();
    assert_eq!(two.models[0].loss_max.unwrap().0, most * 80 / 100);
    let packing = &suite.cases[4];
    assert_eq!(packing.name, "packing-models-2-3");
    assert_eq!(deployment(packing).models.len(), 6);
}

#[test]
fn schedules_and_batches_have_suites_too() {
    let text = "analysis = \"\"\nsolvers = [\"policies\", \"gus\", \"highs\"]\n[[family]]\n\
                name = \"gus\"\nrequests = [20]\ncapacity-percent = [50, 100]\nseeds = [0]\n";
    let suite = Suite::parse("s.toml", text, &ALL).unwrap();
    assert_eq!((suite.kind, suite.solvers[0].as_str()), (Kind::Scheduling, "gus"));
    assert_eq!(suite.solvers.iter().filter(|name| *name == "gus").count(), 1);
    assert_eq!(suite.cases[0].name, "gus-20x9-c50-hard-0");
    let Instance::Scheduling(frame) = suite.cases[0].generate().unwrap() else { panic!() };
    assert_eq!((frame.requests.len(), frame.name.as_str()), (20, "gus-20x9-c50-hard-0"));
    let text = "analysis = \"\"\nsolvers = [\"exact\"]\n[[family]]\nname = \"dftsp\"\n\
                requests = [7]\nseeds = [1]\nband = \"narrow\"\nany-format = true";
    let suite = Suite::parse("b.toml", text, &ALL).unwrap();
    let Instance::Batching(epoch) = suite.cases[0].generate().unwrap() else { panic!() };
    assert_eq!((epoch.requests.len(), epoch.nodes[0].formats.len()), (7, 3));
    assert_eq!(suite.cases[0].name, "dftsp-bloom-3b-7-narrow-any-format-1");
    // What a process is told comes out of it as it went in.
    for case in &suite.cases {
        let instance = case.generate().unwrap();
        let text = serde_json::to_string(&instance).unwrap();
        assert_eq!(serde_json::from_str::<Instance>(&text).unwrap(), instance);
    }
}

#[test]
fn files_are_found_by_pattern() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-data/suites/s.toml");
    let read = |paths: &str| {
        let text = format!(
            "analysis = \"\"\nsolvers = [\"cbc\"]\n[[family]]\nname = \"files\"\n\
             problem = \"scheduling\"\npaths = [\"{paths}\"]"
        );
        Suite::parse(&folder.display().to_string(), &text, &ALL)
    };
    let suite = read("../schedules/*.toml").unwrap();
    assert_eq!(suite.cases[0].name, "campus");
    assert_eq!(suite.cases[0].generate().unwrap().kind(), Kind::Scheduling);
    let error = read("../schedules/none-*.toml").unwrap_err().to_string();
    assert!(error.contains("family[0].paths: ../schedules/none-*.toml: there is no"), "{error}");
}

const RANDOM: &str = "[[family]]\nname = \"random\"\nlayers = [6]\ndevices = [2]\n";

fn refused(families: &str, expected: &str) {
    let error = suite(families).unwrap_err();
    assert!(error.starts_with("a/try.toml: ") && error.contains(expected), "{error}");
}

#[test]
fn wrong_keys_are_named_with_those_that_the_family_takes() {
    refused("family = []", "family: empty");
    refused("[[family]]\nname = \"randon\"", "family[0].name: unknown variant `randon`");
    refused("[[family]]\nname = \"randon\"", "did you mean `random`?");
    refused("[[family]]\nlayers = [3]", "family[0]: missing field `name`");
    refused(RANDOM, "family[0]: missing field `seeds`");
    refused("[[family]]\nname = \"files\"\npaths = [\"a\"]", "missing field `problem`");
    let named = |name: &str, keys: &str, expected: &str| {
        refused(&format!("[[family]]\nname = \"{name}\"\n{keys}"), expected);
    };
    let all = "layers = [4]\ndevices = [2]\nseeds = [0]";
    named("random", "seed = [0]", "family[0].seed: unknown field `seed`, expected one of `layers`");
    named("random", "seed = [0]", "did you mean `seeds`?");
    named("random", &format!("{all}\nclasses = 2"), "family[0].classes: unknown field `classes`");
    named("home-lab", &format!("{all}\nmodels = 2"), "family[0].models: unknown field `models`");
    named("classes", "layers = [4]\nseed = [0]", "family[0].seed: unknown field `seed`");
    named("edgeshard", "agx = [1]\nseeds = [0]", "family[0].seeds: unknown field `seeds`");
    named("packing", "bins = [1]\nlayers = [0]", "family[0].layers: unknown field `layers`");
    named("gus", "layers = [3]", "family[0].layers: unknown field `layers`");
    named("dftsp", "edges = 3", "family[0].edges: unknown field `edges`");
    named("files", "seeds = [3]", "expected `problem` or `paths`");
}

#[test]
fn wrong_values_are_named_with_what_is_allowed() {
    let random = |keys: &str, expected: &str| refused(&format!("{RANDOM}{keys}"), expected);
    random("seeds = []", "family[0].seeds: empty; at least one is needed");
    random("seeds = 3", "family[0].seeds: invalid type: integer `3`, expected a list of at least");
    random("seeds = [4, 4]", "family[0]: the instance random-6x2x4-m143-4 is there already");
    random("seeds = [0]\nformats = 9", "family[0].formats: 9; 1 to 8 are allowed");
    random("seeds = [0]\nformats = []", "family[0].formats: empty; at least one is needed");
    random("seeds = [0]\nmodels = -1", "family[0].models: invalid value: integer `-1`");
    random("seeds = [0]\nmodels = 0", "family[0].models: 0; 1 to 1024 are allowed");
    random("seeds = [0]\ntight-percent = 0", "family[0].tight-percent: 0; 1 to 100000 are");
    random(
        "seeds = [0]\nobjective = \"latensy\"",
        "family[0].objective: unknown variant `latensy`, expected one of `latency`, `bottleneck`, \
         `memory`; did you mean `latency`?",
    );
    random(&format!("seeds = [0]\n{RANDOM}seeds = []"), "family[1].seeds: empty");
    random(
        "seeds = [0]\n[[family]]\nname = \"dftsp\"\nrequests = [3]\nseeds = [0]",
        "family[1]: of batching, but the first family is of deployment: one kind a suite",
    );
    let named = |name: &str, keys: &str, expected: &str| {
        refused(&format!("[[family]]\nname = \"{name}\"\n{keys}"), expected);
    };
    let devices = "devices = [2]\nseeds = [0]";
    named("home-lab", &format!("layers = [2]\n{devices}"), "layers: 2; 3 to 1024 are allowed");
    named(
        "home-lab",
        &format!("layers = [4]\n{devices}\nmodel = \"catalog:lama-2-7b\""),
        "family[0].model: catalog:lama-2-7b: no such model in the catalog; did you mean \
         `catalog:llama-2-7b`?",
    );
    named("classes", "classes = \"two\"", "family[0].classes: invalid type: string \"two\"");
    named("edgeshard", "agx = [0]\nnx = [1]", "family[0].agx: 0; the source is one of them");
    named("packing", "bins = [0]\nseeds = [0]", "family[0].bins: 0; 1 to 1024 are allowed");
    named("gus", "requests = [0]\nseeds = [0]", "family[0].requests: 0; 1 to");
    named("files", "problem = \"schedules\"", "family[0].problem: unknown variant `schedules`");
}

#[test]
fn what_a_suite_grows_in_is_a_number_of_every_instance() {
    let read = |grows: &str, families: &str| {
        let text = format!("{HEAD}grows = \"{grows}\"\n{families}");
        Suite::parse("s.toml", &text, &ALL).map_err(|error| error.to_string())
    };
    let random = format!("{RANDOM}seeds = [0]\nmodels = [1, 2]");
    let sizes = |grows: &str| -> Vec<u64> {
        let suite = read(grows, &random).unwrap();
        suite.cases.iter().filter_map(|case| suite.size(case)).collect()
    };
    // As records count them: layers of all models.
    assert_eq!((sizes("layers"), sizes("models")), (vec![6, 12], vec![1, 2]));
    let error = read("family", &random).unwrap_err();
    let expected = "s.toml: grows: `family` is no number of random-6x2x4-m143-models-1-0; devices, \
                    layers, memory, models, options are";
    assert_eq!(error, expected);
}

#[test]
fn unknown_solvers_are_named_with_the_nearest_one() {
    for (solvers, expected) in [
        ("[\"highs\", \"cbd\"]", "solvers[1]: no solver is called `cbd`; did you mean `cbc`?"),
        ("[]", "s.toml: solvers: empty; at least one is needed"),
    ] {
        let text = format!("analysis = \"\"\nsolvers = {solvers}\n{RANDOM}seeds = [0]");
        let error = Suite::parse("s.toml", &text, &ALL).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_suites_of_the_repository_can_all_be_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-data/suites");
    let (mut names, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    let files = glob::glob(&folder.join("**/*.toml").display().to_string()).unwrap();
    for path in files {
        let suite = Suite::read(&path.unwrap(), &ALL).unwrap();
        // All of a suite take a while; the first and the last of it are its smallest and largest.
        for case in suite.cases.first().into_iter().chain(suite.cases.last()) {
            case.generate().unwrap();
        }
        assert!(names.insert(suite.name.clone()), "{} is there twice", suite.name);
        kinds.insert(suite.kind);
    }
    assert_eq!(kinds.len(), 3);
    let known = ["chain", "chain-bottleneck", "chain-free", "smoke", "quick-batching", "layers"];
    assert!(known.iter().all(|&name| names.contains(name)), "{names:?}");
}

/// Families may be rewritten, but what they generate stays: else records are of other instances.
#[test]
fn suites_generate_the_instances_of_the_records() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let paths = |pattern: &str| glob::glob(&root.join(pattern).display().to_string()).unwrap();
    let mut recorded: BTreeMap<(String, String), Record> = BTreeMap::new();
    for file in paths("reports/record/*/records.csv") {
        for record in Folder::read(file.unwrap().parent().unwrap()).unwrap() {
            // The first records have no parameters.
            if !record.parameters.is_empty() {
                recorded.insert((record.suite.clone(), record.instance.clone()), record);
            }
        }
    }
    let mut compared = 0;
    for path in paths("bench-data/suites/**/*.toml") {
        let suite = Suite::read(&path.unwrap(), &ALL).unwrap();
        for case in suite.cases {
            let Some(known) = recorded.get(&(suite.name.clone(), case.name.clone())) else {
                continue;
            };
            assert_eq!(case.parameters, known.parameters, "{}", case.name);
            assert_eq!(case.generate().unwrap().fingerprint(), known.fingerprint, "{}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
}
