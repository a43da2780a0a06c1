use super::*;

const HEAD: &str = "analysis = \"why\"\nsolvers = [\"highs\"]\n";

fn suite(families: &str) -> Result<Suite, String> {
    Suite::parse("a/try.toml", &format!("{HEAD}{families}")).map_err(|error| error.to_string())
}

#[test]
fn lists_expand_to_their_product_and_every_instance_is_itself() {
    let text = "[[family]]\nname = \"random\"\nlayers = [6, 8]\ndevices = [2, 3]\nseeds = [0, 7]\n\
                formats = 2\nplacement = \"free\"\nobjective = \"bottleneck\"";
    let suite = suite(text).unwrap();
    assert_eq!((suite.name.as_str(), suite.cases.len()), ("try", 8));
    let case = &suite.cases[7];
    assert_eq!(case.name, "random-8x3x2-m143-bottleneck-free-7");
    let instance = case.generate().unwrap();
    assert_eq!(instance, case.generate().unwrap());
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
    let classes = suite.cases[0].generate().unwrap();
    let most = classes.models[0].layers.iter().map(|layer| layer.options.len()).max();
    assert_eq!(most, Some(9));
    assert_eq!(classes.devices[0].name[4..], classes.devices[2].name[4..]);
    assert_eq!(suite.cases[1].generate().unwrap().devices.len(), 4);
}

#[test]
fn mistakes_are_named_with_what_is_allowed() {
    let random = "[[family]]\nname = \"random\"\nlayers = [6]\ndevices = [2]\n";
    let cases = [
        ("[[family]]\nname = \"randon\"", "did you mean `random`?"),
        ("[[family]]\nlayers = [3]", "missing field `name`"),
        (&format!("{random}seed = [0]"), "family[0].seed: unknown field `seed`"),
        (&format!("{random}seed = [0]"), "did you mean `seeds`?"),
        (random, "family[0].seeds: missing; a list"),
        (&format!("{random}seeds = []"), "family[0].seeds: empty; at least one"),
        (&format!("{random}seeds = 3"), "family[0].seeds: invalid type"),
        (&format!("{random}seeds = [0]\nformats = 9"), "family[0].formats: 9; 1 to 8 are"),
        (&format!("{random}seeds = [0]\nclasses = 2"), "random has none, only classes"),
        (&format!("{random}seeds = [4, 4]"), "the instance random-6x2x4-m143-4 is there"),
        (&format!("{random}seeds = [0]\ntight-percent = 0"), "tight-percent: 0; 1 to 100000"),
        (&format!("{random}seeds = [0]\n{random}seeds = []"), "family[1].seeds: empty"),
        (
            "[[family]]\nname = \"home-lab\"\nlayers = [2]\ndevices = [2]\nseeds = [0]",
            "family[0].layers: 2; 3 to 1024 are allowed",
        ),
        (
            "[[family]]\nname = \"home-lab\"\nmodel = \"catalog:lama-2-7b\"",
            "did you mean `catalog:llama-2-7b`?",
        ),
        ("[[family]]\nname = \"edgeshard\"\nagx = [0]\nnx = [1]", "family[0].agx: 0; the"),
        ("family = []", "family: empty"),
    ];
    for (text, expected) in cases {
        let error = suite(text).unwrap_err();
        assert!(error.starts_with("a/try.toml: ") && error.contains(expected), "{error}");
    }
    for (solvers, expected) in [
        ("[\"highs\", \"cbd\"]", "solvers[1]: no solver is called `cbd`; did you mean `cbc`?"),
        ("[]", "s.toml: solvers: empty; at least one is needed"),
    ] {
        let text = format!("analysis = \"\"\nsolvers = {solvers}\n{random}seeds = [0]");
        let error = Suite::parse("s.toml", &text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_suites_of_the_repository_can_all_be_generated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-data/suites");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let suite = Suite::read(&path).unwrap();
            for case in &suite.cases {
                case.generate().unwrap();
            }
            names.insert(suite.name);
        }
    }
    let known = ["chain", "chain-bottleneck", "chain-free", "smoke"];
    assert!(known.iter().all(|&name| names.contains(name)), "{names:?}");
}
