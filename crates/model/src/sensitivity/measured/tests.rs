use super::*;
use crate::sensitivity::Quality;
use crate::sensitivity::Sensitivity;

const HEADER: &str = "{\"schema\":\"edgeplan-sensitivity/1\",\"model\":\"m\",\"source\":\"s\",\
                      \"tokens\":1,\"context\":1,\"loss_nats\":null}\n";

fn row(format: &str, variance: f64, kl: &str) -> String {
    format!("{{\"tensor\":\"t\",\"format\":\"{format}\",\"variance\":{variance}{kl}}}\n")
}

#[test]
fn a_tied_tensor_loses_what_both_uses_do_and_caches_reach_the_model() {
    let tied = crate::load("catalog:smollm2-135m").unwrap();
    let mut text = HEADER.to_owned();
    for (tensor, kl) in [("token_embd.weight", 0.1), ("output.weight", 0.3), ("t", 0.5)] {
        text += &row("q4_0", 0.1, &format!(",\"kl_nats\":{kl}"))
            .replace("\"t\"", &format!("\"{tensor}\""));
    }
    text += "{\"keys\":\"q8_0\",\"values\":\"q8_0\",\"kl_nats\":0.25,\"loss_change_nats\":0.0}\n";
    text += "{\"keys\":\"q4_0\",\"values\":\"f16\",\"kl_nats\":0.5,\"loss_change_nats\":0.0}\n";
    let sensed = MeasuredSensitivity::parse("s", &text).unwrap();
    let joined = sensed.as_in_file(&tied);
    assert_eq!(joined.divergence("token_embd.weight", Format::Q4_0), Some(0.4));
    assert_eq!(joined.rows().len(), 2);
    let untied = ModelSpec { tied: false, ..tied };
    assert_eq!(sensed.as_in_file(&untied), sensed);
    assert_eq!((sensed.cache(Format::Q8_0), sensed.cache(Format::Q4_0)), (Some(0.25), None));
    let wrong = text.replace("0.25", "-0.25");
    let error = MeasuredSensitivity::parse("s", &wrong).unwrap_err().to_string();
    assert!(error.contains("kl_nats: -0.25"), "{error}");
}

#[test]
fn what_was_not_measured_lies_on_the_curve_of_its_tensor() {
    let rows = [
        row("q8_0", 1e-4, ",\"kl_nats\":1e-3"),
        row("q4_0", 1e-2, ",\"kl_nats\":0.4"),
        row("q6_K", 1e-3, ""),
        row("q2_K", 4e-2, ""),
        row("f16", 1e-6, ""),
    ];
    let sensed = MeasuredSensitivity::parse("s", &(HEADER.to_owned() + &rows.concat())).unwrap();
    let cases = [(Format::Q4_0, 0.4), (Format::Q6K, 0.02), (Format::Q2K, 1.6), (Format::F16, 1e-5)];
    for (format, expected) in cases {
        let found = sensed.divergence("t", format).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-9, "{format}: {found}");
    }
    assert_eq!(sensed.divergence("t", Format::Q5K), None);
}

#[test]
fn a_lookup_among_many_rows_looks_at_those_of_its_tensor() {
    const TENSORS: usize = 10_000;
    let rows = ["q8_0", "q4_0", "q6_K"].map(|f| row(f, 1e-3, ",\"kl_nats\":1e-3")).concat();
    let of = |tensor| rows.replace("\"t\"", &format!("\"blk.{tensor}.ffn_down.weight\""));
    let text = HEADER.to_owned() + &(0..TENSORS).map(of).collect::<String>();
    let sensed = MeasuredSensitivity::parse("s", &text).unwrap();
    assert_eq!(sensed.rows().len(), 3 * TENSORS);
    for row in sensed.rows() {
        assert_eq!(sensed.of_tensor(&row.tensor).count(), 3);
        assert_eq!(sensed.divergence(&row.tensor, row.format), row.kl_nats);
    }
}

#[test]
fn a_line_that_was_cut_off_was_not_written() {
    let text = format!("{HEADER}{}{{\"tensor\":\"u\",\"for", row("q8_0", 0.1, ""));
    assert_eq!(MeasuredSensitivity::parse("s", &text).unwrap().rows.len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    let cases = [
        (String::new(), "s: is empty"),
        (HEADER.replace("ty/1", "ty/2"), "s: schema: `edgeplan-sensitivity/2`"),
        (HEADER.to_owned() + "{\"tensor\":1}\n", "s: line 2: tensor: "),
        (HEADER.to_owned() + &row("q8_1x", 1.0, ""), "s: line 2: format: `q8_1x` is no format"),
        (HEADER.to_owned() + &row("q8_0", -1.0, ""), "s: line 2: variance: -1.0; 0.0 to"),
        (
            HEADER.to_owned() + &row("q8_0", 1.0, "").repeat(2),
            "s: line 3: a second row for t in q8_0",
        ),
    ];
    for (text, expected) in cases {
        let error = MeasuredSensitivity::parse("s", &text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_measured_model_says_what_was_measured() {
    let model = crate::load("catalog:smollm2-135m").unwrap();
    let names = model.layers.iter().flat_map(|l| &l.tensors).filter(|t| t.quantizable);
    let rows = names.map(|tensor| Row {
        tensor: tensor.name.clone(),
        format: Format::Q4_0,
        norm: Some(2.0),
        weight_difference: Some(0.5),
        variance: Some(0.25),
        kl_nats: Some(0.001),
        loss_change_nats: None,
    });
    let header: Header = parse_json("s", HEADER).unwrap();
    let rows: Vec<Row> = rows.collect();
    let sensed = |rows: &[Row]| {
        let mut sensed = MeasuredSensitivity {
            file: "s".into(),
            header: header.clone(),
            mixes: Vec::new(),
            caches: Vec::new(),
            routings: Vec::new(),
            rows: Vec::new(),
            of_tensor: BTreeMap::new(),
        };
        rows.iter().for_each(|row| sensed.add("s", row.clone()).unwrap());
        sensed
    };
    let (whole, most) = (sensed(&rows), sensed(&rows[1..]));
    let measured = whole.attach(model.clone()).unwrap();
    let count = rows.len() as f64;
    let sum = |quality: &Quality| -> f64 {
        let sensitivity = Sensitivity::new(&measured, quality);
        let tensors = measured.layers.iter().flat_map(|layer| &layer.tensors);
        tensors.map(|t| sensitivity.loss(t, Format::Q4_0).unwrap().as_f64()).sum::<f64>() / 1e9
    };
    assert!((sum(&Quality::MaxKl(1.0)) - 0.001 * count).abs() < 1e-6);
    assert!((sum(&Quality::MaxVariance(1.0)) - 0.25).abs() < 1e-6);
    let budget =
        Sensitivity::new(&measured, &Quality::Any).budget(&measured, &Quality::Like("q8_0".into()));
    let error = budget.unwrap_err().to_string();
    assert!(error.contains("needs q8_0, not measured of token_embd.weight"), "{error}");
    let error = most.attach(model).unwrap_err().to_string();
    assert!(error.starts_with("s: nothing was measured of "), "{error}");
}
