//! A Gantt chart stays on its sheet, whatever it is told.

use edgeplan_problem::Nanos;
use edgeplan_report::gantt::{Bar, Chart, Gantt, Row, html, svg};
use edgeplan_report::table::Table;
use roxmltree::Document;

fn bar(row: usize, batch: usize, start: u64, end: u64) -> Bar {
    Bar { row, batch, prompt: batch == 0, start: Nanos(start), end: Nanos(end) }
}

fn charts() -> Vec<Chart> {
    let row = |name: &str, busy| Row { name: name.into(), busy };
    let rows = vec![row("laptop", 0.5), row("a <very> long name & more ".repeat(9).trim(), 1.0)];
    let chart = |shown: (u64, u64), bars: Vec<Bar>| Chart {
        heading: "continuous 8".into(),
        remark: "of everything ".repeat(30),
        rows: rows.clone(),
        bars,
        shown: (Nanos(shown.0), Nanos(shown.1)),
    };
    vec![
        chart((0, 100), vec![bar(0, 0, 0, 40), bar(1, 1, 40, 41), bar(0, 99, 41, 1000)]),
        chart((50, 60), vec![bar(0, 0, 0, 55), bar(1, 1, 70, 80), bar(1, 1, 59, 60)]),
        chart((0, 0), vec![bar(0, 0, 0, 0)]),
        chart((0, u64::MAX), vec![bar(0, 3, 1, u64::MAX)]),
        chart((7, 8), Vec::new()),
    ]
}

fn gantt(charts: Vec<Chart>) -> Gantt {
    Gantt { title: "run".into(), subtitle: "on \u{0} a plan".into(), charts }
}

#[test]
fn everything_stays_on_the_sheet() {
    for gantt in [gantt(charts()), gantt(Vec::new())] {
        let svg = svg(&gantt);
        let document = Document::parse(&svg).unwrap();
        let root = document.root_element();
        let number = |node: roxmltree::Node<'_, '_>, name| {
            node.attribute(name).unwrap_or("0").parse::<f64>().unwrap()
        };
        let (width, height) = (number(root, "width"), number(root, "height"));
        for node in document.descendants().filter(|node| node.tag_name().name() == "rect") {
            let (x, y) = (number(node, "x"), number(node, "y"));
            let (right, bottom) = (x + number(node, "width"), y + number(node, "height"));
            let inside = x >= 0.0 && y >= 0.0 && right <= width && bottom <= height;
            assert!(inside && number(node, "width") > 0.0, "{node:?}");
        }
        assert_eq!(svg, edgeplan_report::gantt::svg(&gantt));
    }
}

#[test]
fn only_what_is_shown_is_drawn() {
    let bars = |chart: usize| {
        let svg = svg(&gantt(vec![charts()[chart].clone()]));
        svg.matches("class=\"bar\"").count()
    };
    assert_eq!([0, 1, 2, 3, 4].map(bars), [3, 2, 0, 1, 0]);
}

#[test]
fn a_page_shows_tables_and_escapes() {
    let table = Table::new(["policy", "p50>"]).headed("Latency").with_rows([["<fcfs>", "3 s"]]);
    let page = html(&gantt(charts()), &[table], "edgeplan simulate");
    assert!(page.contains("&lt;fcfs&gt;") && page.contains("<th class=\"n\">p50</th>"), "{page}");
    assert!(page.contains("Made by edgeplan simulate."));
}
