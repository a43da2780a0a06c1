//! The picture of a schedule is sound XML that shows the bill's numbers.

use edgeplan_problem::scheduling::{
    Choice, Host, Message, Mode, Plan, Request, Scheduling, Server, ServerId, Service, Tier,
    Variant, VariantId,
};
use edgeplan_problem::{Nanos, Problem as _, Share};
use edgeplan_report::schedule::svg;
use edgeplan_report::text::width;

fn instance() -> Scheduling {
    let server =
        |name: &str, tier| Server { name: name.into(), tier, computation: 7, communication: 3 };
    let way = |time| Some(Nanos(time));
    let host = Some(Host { processing: Nanos(1), computation: 4 });
    let request = Request {
        service: 0,
        covered_by: ServerId(0),
        accuracy_min: Share::ZERO,
        deadline: Nanos(9),
        waited: Nanos(0),
        accuracy_weight: Share::ONE,
        time_weight: Share::ZERO,
    };
    let variant =
        Variant { name: "v".into(), accuracy: Share::ONE, message: 0, hosts: vec![host; 2] };
    Scheduling {
        name: "a <b> & c".into(),
        mode: Mode::Hard,
        accuracy_max: Share::ONE,
        completion_max: Nanos(9),
        servers: vec![server("edge <1>", Tier::Edge), server("cloud", Tier::Cloud)],
        messages: vec![Message { communication: 2, time: vec![way(0), way(2), way(2), way(0)] }],
        services: vec![Service { name: "s".into(), variants: vec![variant] }],
        requests: vec![request; 3],
    }
}

#[test]
fn a_schedule_is_drawn_with_its_numbers() {
    let instance = instance().checked().unwrap();
    let at = |server| Some(Choice { server: ServerId(server), variant: VariantId(0) });
    let mut plan = Plan { choices: vec![at(0), at(1), None] };
    let draw = |plan: &Plan| {
        let picture = svg(&instance, &instance.evaluate(plan).account, "optimal");
        let document = roxmltree::Document::parse(&picture).expect("XML");
        let texts = document.descendants().filter(|node| node.has_tag_name("text"));
        for text in texts.clone() {
            let number = |name: &str| text.attribute(name).unwrap().parse::<f64>().unwrap();
            let bold = text.attribute("font-weight").is_some();
            let width = width(text.text().unwrap(), number("font-size"), bold);
            assert!(number("x") + width <= 936.0, "{text:?} leaves the sheet");
        }
        let texts: Vec<String> = texts.filter_map(|node| node.text().map(String::from)).collect();
        (picture.contains("rule mark"), texts)
    };
    let (over, texts) = draw(&plan);
    // Nothing of the legend was cut short.
    assert!(texts.iter().any(|text| text == "unserved"), "{texts:?}");
    for expected in
        ["edge <1>", "4 of 7", "2 of 3", "0 of 3", "2 of 3 users satisfied (66.67 %), 2 served"]
    {
        assert!(texts.iter().any(|text| text == expected), "{expected}: {texts:?}");
    }
    assert!(!over);
    // A plan that breaks a capacity shows where it ends.
    plan.choices[2] = at(0);
    let (over, texts) = draw(&plan);
    assert!(over && texts.contains(&"8 of 7".to_owned()), "{texts:?}");
}
