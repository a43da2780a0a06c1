//! What every picture and page owes, for ordinary and absurd plans; and that they say what is true.

use std::collections::BTreeSet;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Nanos, Problem as _};
use edgeplan_report::picture::{Picture, Steps, svg};
use edgeplan_report::{page, text};
use roxmltree::{Document, Node};

use cases::Case;

mod cases;

fn case(name: &str) -> Case {
    cases::all().into_iter().find(|case| case.name == name).expect("a case of that name")
}

/// Left, right, top and bottom of a text, as wide as it may get.
fn bounds(node: Node<'_, '_>) -> [f64; 4] {
    let number = |name: &str| node.attribute(name).map_or(0.0, |value| value.parse().unwrap());
    let (x, y, size) = (number("x"), number("y"), number("font-size"));
    let width = text::width(content(node), size, node.has_attribute("font-weight"));
    let left = match node.attribute("text-anchor") {
        None => x,
        Some("middle") => x - width / 2.0,
        Some(_) => x - width,
    };
    [left, left + width, y - 0.76 * size, y + 0.22 * size]
}

fn content<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

fn texts<'a>(document: &'a Document<'_>) -> Vec<Node<'a, 'a>> {
    document
        .root_element()
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .collect()
}

/// Everything that a picture says, shown or pointed at.
fn words(svg: &str) -> BTreeSet<String> {
    let document = Document::parse(svg).unwrap();
    let tags = ["text", "title"];
    let nodes = document.descendants().filter(|node| tags.contains(&node.tag_name().name()));
    nodes.map(|node| content(node).to_owned()).collect()
}

#[test]
fn everything_stays_on_the_sheet() {
    for case in cases::all() {
        let svg = svg(&case.picture());
        let document = Document::parse(&svg).unwrap();
        let number = |name| document.root_element().attribute(name).unwrap().parse::<f64>();
        let (width, height) = (number("width").unwrap(), number("height").unwrap());
        for node in texts(&document) {
            let [left, right, top, bottom] = bounds(node);
            let inside = left >= 0.0 && top >= 0.0 && right <= width && bottom <= height;
            assert!(inside, "{}: {:?} at {left}..{right}", case.name, node.text());
        }
        for node in document.descendants().filter(|node| node.has_attribute("width")) {
            let number = |name| node.attribute(name).unwrap_or("0").parse::<f64>().unwrap();
            let (right, bottom) = (number("x") + number("width"), number("y") + number("height"));
            let inside = number("x") >= 0.0 && right <= width && bottom <= height;
            assert!(inside && number("width") >= 0.0, "{}: {node:?}", case.name);
        }
    }
}

#[test]
fn no_text_meets_another() {
    for case in cases::all() {
        let svg = svg(&case.picture());
        let document = Document::parse(&svg).unwrap();
        let mut boxes: Vec<([f64; 4], &str)> =
            texts(&document).into_iter().map(|node| (bounds(node), content(node))).collect();
        boxes.sort_by(|a, b| a.0[2].total_cmp(&b.0[2]));
        for (index, (a, first)) in boxes.iter().enumerate() {
            for (b, second) in boxes[index + 1..].iter().take_while(|(b, _)| b[2] < a[3]) {
                let apart = a[1] <= b[0] + 0.2 || b[1] <= a[0] + 0.2;
                assert!(apart, "{}: {first:?} {a:?} and {second:?} {b:?}", case.name);
            }
        }
    }
}

#[test]
fn the_same_picture_gives_the_same_bytes() {
    for (a, b) in cases::all().iter().zip(&cases::all()) {
        assert_eq!(svg(&a.picture()), svg(&b.picture()));
        assert_eq!(page::html(&a.picture(), "x"), page::html(&b.picture(), "x"));
    }
}

#[test]
fn names_cannot_leave_their_text() {
    let case = case("hostile");
    let page = page::html(&case.picture(), "`<b>`");
    for text in [&svg(&case.picture()), page.trim_start_matches("<!DOCTYPE html>\n")] {
        let document = Document::parse(text).unwrap();
        let known = [
            "svg", "title", "style", "g", "rect", "text", "polyline", "polygon", "html", "head",
            "meta", "body", "section", "div", "h1", "h2", "p", "table", "thead", "tbody", "tr",
            "th", "td", "footer", "details", "summary",
        ];
        for node in document.descendants().filter(Node::is_element) {
            assert!(known.contains(&node.tag_name().name()), "{node:?}");
        }
    }
    let words = words(&svg(&case.picture()));
    assert!(words.iter().any(|word| word.contains(&"W".repeat(300))), "the whole name is kept");
}

#[test]
fn a_page_needs_nothing_else_and_holds_every_layer() {
    for case in cases::all() {
        let page = page::html(&case.picture(), "`edgeplan plan`");
        let document = Document::parse(page.trim_start_matches("<!DOCTYPE html>\n")).unwrap();
        let links = ["src", "href", "onload", "onclick"];
        for node in document.descendants() {
            assert!(node.tag_name().name() != "script", "{}", case.name);
            assert!(!links.iter().any(|link| node.has_attribute(*link)), "{}: {node:?}", case.name);
        }
        assert!(!page.contains("url(") && !page.contains("@import"), "{}", case.name);
        if case.name == "misfit" {
            continue;
        }
        let rows = document.descendants().filter(|node| node.has_tag_name("tr")).count();
        let heads = 3 + case.instance.models.len();
        let stages: usize =
            (0..case.instance.models.len()).map(|m| case.plan.segments(m).len()).sum();
        let layers: usize = case.plan.models.iter().map(Vec::len).sum();
        let devices = case.instance.devices.len();
        assert_eq!(rows, heads + case.instance.models.len() + stages + layers + devices);
    }
}

#[test]
fn times_bytes_and_runs_are_those_of_the_bill() {
    let check = |instance: &Deployment, plan: &Plan, words: &BTreeSet<String>, name: &str| {
        let account = instance.evaluate(plan).account;
        let mut wanted = Vec::new();
        for device in account.devices.iter().filter(|device| device.used) {
            wanted.push(device.memory().to_string());
        }
        for (model, bill) in instance.models.iter().zip(&account.models) {
            wanted.push(format!("returns {}", bill.leave));
            for stage in &bill.stages {
                let device = &instance.device(stage.device).name;
                wanted.push(device.clone());
                if stage.last + 1 < model.layers.len() {
                    wanted.push(stage.hop.to_string());
                }
                wanted.push(format!("{} · {}", stage.compute, stage.bytes));
                assert!(
                    words
                        .iter()
                        .any(|word| word.starts_with(&model.layers[stage.first].role.to_string()))
                );
            }
        }
        for wanted in wanted {
            assert!(words.contains(&wanted), "{name}: {wanted}");
        }
    };
    for name in ["home-lab", "pipeline", "several", "again", "deep"] {
        let case = case(name);
        check(&case.instance, &case.plan, &words(&svg(&case.picture())), name);
    }
}

#[test]
fn every_arrow_of_the_route_has_its_own_time() {
    let case = case("pipeline");
    let bill = &case.instance.evaluate(&case.plan).account.models[0];
    let hops = bill.stages[..bill.stages.len() - 1].iter().map(|stage| stage.hop);
    let wanted: Vec<String> =
        std::iter::once(bill.enter).chain(hops).map(|time| time.to_string()).collect();
    let svg = svg(&case.picture());
    let document = Document::parse(&svg).unwrap();
    let all: Vec<&str> = texts(&document).into_iter().map(content).collect();
    let source = all.iter().position(|text| *text == "source").unwrap();
    let back = all.iter().position(|text| text.starts_with("returns ")).unwrap();
    assert_eq!(all[source + 2..back], wanted);
}

#[test]
fn every_layer_is_in_the_strip_in_its_shade() {
    let case = case("wide");
    let svg = svg(&case.picture());
    let document = Document::parse(&svg).unwrap();
    for (layer, choice) in case.instance.models[0].layers.iter().zip(&case.plan.models[0]) {
        let recipe = &layer.options[choice.option.index()].recipe;
        let device = &case.instance.device(choice.device).name;
        let title = format!("{}: {recipe} on {device}", layer.role);
        let found = document.descendants().find(|node| content(*node) == title);
        let cell = found.and_then(|node| node.parent()).unwrap_or_else(|| panic!("{title}"));
        let shade = ["q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "f16"]
            .iter()
            .position(|format| recipe.to_string().split('+').next() == Some(format));
        assert_eq!(cell.attribute("class"), Some(format!("f{}", shade.unwrap()).as_str()));
    }
}

#[test]
fn the_pace_setter_is_marked_only_where_pace_counts() {
    let again = case("again");
    let marks = |case: &Case| svg(&case.picture()).matches(">busiest<").count();
    assert_eq!(marks(&again), 2, "device-1 has two stages");
    let words = words(&svg(&again.picture()));
    let remark =
        "4 stages, 225.92 ms per request; busiest: device-1 computes for 124.38 ms per round";
    assert!(words.contains(remark), "{words:?}");
    assert_eq!(marks(&case("pipeline")), 0);
}

#[test]
fn broken_plans_say_what_they_break() {
    let broken = words(&svg(&case("broken").picture()));
    for word in ["the plan breaks 7 constraints", "no route", "no route from device-1 to device-2"]
    {
        assert!(broken.contains(word), "{word}: {broken:?}");
    }
    let misfit = words(&svg(&case("misfit").picture()));
    let reason = "the plan does not fit the instance: model has 12 layers, the plan 3";
    assert!(misfit.contains(reason), "{misfit:?}");
}

#[test]
fn the_summary_is_one_honest_line() {
    let case = case("pipeline");
    let cost = case.instance.evaluate(&case.plan).cost;
    let said = |bound: Option<u64>| {
        let picture = Picture { lower_bound: bound.map(Cost), ..case.picture() };
        picture.summary()
    };
    assert_eq!(cost.0, 386_499_000);
    for (bound, expected) in [
        (None, "feasible: 386.50 ms, no lower bound known, highs, 0.44 s"),
        (
            Some(cost.0),
            "feasible: 386.50 ms, no plan is below 386.50 ms (gap 0.00 %), highs, 0.44 s",
        ),
        (
            Some(cost.0 - 1),
            "feasible: 386.50 ms, no plan is below 386.50 ms (gap below 0.01 %), highs, 0.44 s",
        ),
        (
            Some(cost.0 / 2),
            "feasible: 386.50 ms, no plan is below 193.25 ms (gap 50.00 %), highs, 0.44 s",
        ),
    ] {
        assert_eq!(said(bound), expected);
    }
    let bare = Picture { verdict: "feasible", solver: "", elapsed: None, ..case.picture() };
    assert_eq!(bare.summary(), "feasible: 386.50 ms, no lower bound known");
}

#[test]
fn the_way_to_the_first_token_and_a_step_are_drawn_apart() {
    let case = case("pipeline");
    let whole = case.instance.evaluate(&case.plan).account;
    let mut prompt = whole.clone();
    for model in &mut prompt.models {
        model.latency = Nanos(model.latency.0 / 2);
        for stage in &mut model.stages {
            stage.compute = Nanos(stage.compute.0 / 2);
        }
    }
    let steps = Steps { prompt: &prompt, whole: &whole, tokens: 512, generate: 100 };
    let drawn = |steps| svg(&Picture { steps: Some(steps), ..case.picture() });
    let text = drawn(steps);
    let says = |words: &str| text.contains(words);
    assert!(says("Until the first token") && says("One step of decoding"), "{text}");
    assert!(says("193.25 ms for 512 prompt tokens") && says("100 times: 386.50 ms"), "{text}");
    assert!(!says("One request"), "{text}");
    // Where nothing is generated, the prompt is all.
    assert!(drawn(Steps { generate: 0, ..steps }).contains("One request"));
}
