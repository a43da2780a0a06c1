//! What is written is read again, and nonsense is refused by key.

use super::*;

const CAMPUS: &str = include_str!("../../../../bench-data/schedules/campus.toml");

#[test]
fn what_is_written_is_read_again() {
    let instance = parse_schedule("campus.toml", CAMPUS, true).unwrap();
    assert_eq!((instance.servers.len(), instance.requests.len()), (4, 20));
    assert_eq!(instance.transfer(1, ServerId(2), ServerId(3)), Some(Nanos(900_000_000)));
    assert_eq!(instance.services[0].variants[3].hosts[..3], [None; 3]);
    let text = write_schedule(&instance);
    assert_eq!(parse_schedule("campus.json", &text, false).unwrap(), instance);
    let mut other = instance.clone();
    other.requests[3].waited = Nanos(1);
    assert_ne!(fingerprint(&other), fingerprint(&instance));
}

#[test]
fn nonsense_is_refused_by_key() {
    let cases = [
        ("scheduling/1", "scheduling/9", "schema: `edgeplan-scheduling/9`; `edgeplan-"),
        ("tier = \"edge\"", "tier = \"edgy\"", "server[0].tier: unknown variant `edgy`"),
        ("communication = 3", "comunication = 3", "did you mean `communication`?"),
        ("accuracy = \"49 %\"", "accuracy = \"149 %\"", "`149 %`: a share from 0 to 100 %"),
        ("accuracy = \"49 %\"", "accuracy = 0.49", "a share from 0 to 100 % such as"),
        ("\"12 ms\", \"0 ns\", \"15 ms\"", "\"12 ms\", \"15 ms\"", "time[1]: 3 entries; 4"),
        ("\"12 ms\", \"0 ns\"", "\"soon\", \"0 ns\"", "`soon`: a time such as"),
        ("\"12 ms\", \"0 ns\"", "\"12 ms\", \"1 ns\"", "clinic sends to itself"),
        ("message = \"text\"", "message = \"test\"", "variant[0].message: `test` is not in"),
        ("host.library", "host.libary", "service[0].variant[0].host: `libary` is not in the"),
        ("service = \"chat\"", "service = \"chad\"", "[0].service: `chad` is not in the file"),
        ("deadline = \"2 s\"", "deadline = \"12 s\"", "request 0: deadline is 12.000 s; up to"),
        ("count = 5", "count = 4000000000", "request[0].count: 4000000000; up to 1000000"),
        ("count = 5", "count = -5", "expected a whole number from 0"),
        ("weight = \"80 %\"", "weight = \"90 %\"", "its weights sum to 110.00 %"),
        ("\"11b-q4_K\"", "\"3b-q4_K\"", "two variants are called 3b-q4_K"),
        ("name = \"picture\"", "name = \"text\"", "message[1].name: `text` twice"),
    ];
    for (from, to, expected) in cases {
        assert!(CAMPUS.contains(from), "{from}");
        let error = parse_schedule("c.toml", &CAMPUS.replacen(from, to, 1), true).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("c.toml: ") && error.contains(expected), "{error}");
        assert!(!error.trim().contains('\n'), "{error}");
    }
}

/// One server, and entries of a million requests each.
const MANY: &str = "schema='edgeplan-scheduling/1'\nname='c'\nmode='hard'\n\
    [[server]]\nname='a'\ntier='edge'\ncomputation=3\ncommunication=2\n\
    [[message]]\nname='m'\ncommunication=1\ntime=[['0 ns']]\n\
    [[service]]\nname='s'\n[[service.variant]]\nname='v'\naccuracy='60 %'\nmessage='m'\n\
    host.a={processing='9 ms',computation=1}\n";
const MILLION: &str = "[[request]]\nservice='s'\ncovered-by='a'\naccuracy-min='50 %'\n\
    deadline='1 s'\ncount=1000000\n";

#[test]
fn requests_of_all_entries_together_are_limited() {
    let most = parse_schedule("c.toml", &[MANY, MILLION].concat(), true).unwrap();
    assert_eq!(most.requests.len(), 1_000_000);
    for entries in [2, 60] {
        let text = MANY.to_owned() + &MILLION.repeat(entries);
        let error = parse_schedule("c.toml", &text, true).unwrap_err().to_string();
        let expected = "c.toml: request[1].count: 1000000 after 1000000 others; up to 1000000 in";
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn spoiled_files_are_refused_or_sound() {
    let mut read = 0;
    for position in 0..CAMPUS.len() {
        for with in ["", "9", "-", "\""] {
            let text = [&CAMPUS[..position], with, &CAMPUS[position + 1..]].concat();
            if let Ok(instance) = parse_schedule("c.toml", &text, true) {
                read += 1;
                let all = instance.requests.iter().map(|r| instance.front(r).len());
                assert!(all.sum::<usize>() < 1000);
            }
        }
    }
    assert!(read > 100, "only {read} are files still");
}
