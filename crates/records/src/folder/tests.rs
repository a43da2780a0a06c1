use edgeplan_problem::{Contradiction, Cost, Verdict};

use super::*;
use crate::row::tests::row;
use crate::row::{Kind, PointKind};

const POINT: Point = Point { at_s: 0.25, kind: PointKind::Bound, value: Cost(7) };

#[test]
fn rows_survive_half_written_ones() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("new/folder");
    let reason = "two, \"quoted\"".to_owned();
    let strange = Record { verdict: Verdict::Failed(reason), ..row("i", "a") };
    let mut folder = Folder::create(&path).unwrap();
    folder.add(strange.clone(), &[POINT, POINT]).unwrap();
    folder.add(row("i", "b"), &[]).unwrap();
    assert_eq!(Folder::read(&path).unwrap(), [strange.clone(), row("i", "b")]);
    // Killed after the curve of a trial and in the middle of its record.
    let mut file = OpenOptions::new().append(true).open(path.join(CURVE)).unwrap();
    file.write_all(b"suite,j,a,0,0.5,bound,3\nsuite,j,a,0,0.7,bou").unwrap();
    let mut file = OpenOptions::new().append(true).open(path.join(RECORDS)).unwrap();
    file.write_all(b"suite,j,a,0").unwrap();
    drop(folder);
    let mut folder = Folder::create(&path).unwrap();
    assert_eq!(folder.records(), [strange, row("i", "b")]);
    folder.add(row("j", "a"), &[POINT]).unwrap();
    assert_eq!(Folder::read(&path).unwrap().len(), 3);
    let curve = Folder::read_curve(&path).unwrap();
    assert_eq!(curve.len(), 3);
    assert_eq!((curve[2].instance.as_str(), curve[2].value), ("j", Cost(7)));
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let refused = |rows: &[Record], expected: &str| {
        std::fs::write(place.path().join(RECORDS), "").unwrap();
        append(&place.path().join(RECORDS), rows.iter()).unwrap();
        let error = Folder::read(place.path()).unwrap_err().to_string();
        assert!(error.contains(RECORDS) && error.contains(expected), "{error}");
    };
    let other = Record { elapsed_s: 3.0, ..row("i", "a") };
    refused(
        &[row("i", "a"), row("j", "a"), other],
        "records.csv: two different rows of the same trial, as after two runs at once: \
         a on i with seed 0 in lines 2 and 4. Keep one line of each",
    );
    let first: Vec<Record> = (0..20).map(|i| row(&format!("i{i}"), "a")).collect();
    let later = |row: &Record| Record { elapsed_s: 3.0, ..row.clone() };
    let second: Vec<Record> = first.iter().map(later).collect();
    refused(&[first, second].concat(), "a on i4 with seed 0 in lines 6 and 26; and 15 more. Keep");
    std::fs::write(place.path().join(RECORDS), "").unwrap();
    append(&place.path().join(RECORDS), std::iter::once(row("i", "a"))).unwrap();
    let text = std::fs::read_to_string(place.path().join(RECORDS)).unwrap();
    for (word, expected) in [
        ("optimal", "line 2: cost is empty, which `optimal` does not allow"),
        ("fesible", "line 2: verdict: `fesible`; optimal, feasible, infeasible"),
    ] {
        let text = text.replace("unknown", word);
        std::fs::write(place.path().join(RECORDS), text).unwrap();
        let error = Folder::read(place.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let text = text.replace("10.0", "ten");
    std::fs::write(place.path().join(RECORDS), text).unwrap();
    let error = Folder::read(place.path()).unwrap_err().to_string();
    assert!(error.contains("records.csv: line 2: elapsed_s: invalid float"), "{error}");
    let error = Folder::read(&place.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
}

/// As the first bench wrote it, in 2026.
const OLDEST: &str = "suite,instance,fingerprint,layers,devices,options_max,placement,objective,\
    solver,seed,verdict,reason,cost,lower_bound,gap,elapsed_s,first_plan_s,first_plan_cost,work,\
    peak_memory_bytes,stopped,time_limit_s,gap_limit,memory_limit_bytes,revision,machine\n\
    chain,i,00,26,5,6,contiguous,latency,highs,0,feasible,,2000,1500,0.25,4.5,0.5,2500,\
    iterations=22181;nodes=135,68128768,time limit,60.0,0.0001,4294967296,f041f79,m\n\
    chain,i,00,26,5,6,contiguous,latency,liar,0,wrong,claims a cost,,,,4.5,,,,1,,60.0,0.0001,\
    4294967296,f041f79,m\n";

#[test]
fn an_older_layout_is_read_but_not_added_to() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join(RECORDS), OLDEST).unwrap();
    let records = Folder::read(place.path()).unwrap();
    let [highs, liar] = &records[..] else { panic!("{records:?}") };
    let (cost, bound) = (Cost(2000), Some(Cost(1500)));
    assert_eq!(highs.verdict, Verdict::Feasible { cost, lower_bound: bound });
    assert_eq!((highs.gap(), highs.figure("nodes")), (Some(0.25), Some(135.0)));
    assert_eq!((highs.problem, highs.cpu_s), (Kind::Deployment, None));
    assert!(highs.parameters.is_empty() && highs.cores.is_empty());
    let Record { threads, load, formulation, foreign, .. } = highs;
    assert_eq!((*threads, *load, *formulation, *foreign), (None, None, None, None));
    let words = Contradiction::Recorded("claims a cost".into());
    assert_eq!((&liar.verdict, liar.work.len()), (&Verdict::Wrong(words), 0));
    let error = Folder::create(place.path()).unwrap_err().to_string();
    assert!(error.contains("records.csv: header: has the columns of an older"), "{error}");
}

#[test]
fn rows_that_are_there_twice_count_once() {
    let place = tempfile::tempdir().unwrap();
    let rows = [row("i", "a"), row("i", "b"), row("i", "a"), row("i", "b")];
    append(&place.path().join(RECORDS), rows.iter()).unwrap();
    assert_eq!(Folder::read(place.path()).unwrap(), rows[..2]);
    let mut folder = Folder::create(place.path()).unwrap();
    folder.add(row("j", "a"), &[]).unwrap();
    assert_eq!(Folder::read(place.path()).unwrap().len(), 3);
}

#[test]
fn one_process_adds_at_a_time() {
    let place = tempfile::tempdir().unwrap();
    let (path, part) = (place.path().join("all"), place.path().join("part"));
    let mut folder = Folder::create(&path).unwrap();
    let locked = |error: InputError| {
        let owner = format!("all: locked by process {} since ", std::process::id());
        assert!(error.to_string().contains(&owner), "{error}");
    };
    locked(Folder::create(&path).unwrap_err());
    let part = self::folder(part, &[row("i", "a")]);
    locked(merge(&[part], &path).unwrap_err());
    folder.add(row("i", "a"), &[]).unwrap();
    assert_eq!(Folder::read(&path).unwrap().len(), 1);
    drop(folder);
    assert_eq!(Folder::create(&path).unwrap().records().len(), 1);
    assert!(!path.join(".lock").exists());
}

fn folder(path: PathBuf, rows: &[Record]) -> PathBuf {
    let mut folder = Folder::create(&path).unwrap();
    folder.note("edgeplan bench", "processor: p\n").unwrap();
    for record in rows {
        folder.add(record.clone(), &[POINT]).unwrap();
    }
    path
}

#[test]
fn shards_merge_without_loss_or_double_rows() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let one = folder(path("one"), &[row("i", "a"), row("i", "b")]);
    let two = folder(path("two"), &[row("j", "a"), row("i", "a")]);
    assert_eq!(merge(&[one.clone(), two.clone()], &path("all")).unwrap(), 3);
    let merged = Folder::create(&path("all")).unwrap();
    assert_eq!(merged.records(), [row("i", "a"), row("i", "b"), row("j", "a")]);
    assert_eq!(Folder::read_curve(&path("all")).unwrap().len(), 3);
    assert!(read_text(&path("all").join(MACHINE)).unwrap().matches("processor").count() == 2);
    let refused = |from: &[PathBuf], into: &str, expected: &str| {
        let error = merge(from, &path(into)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(std::slice::from_ref(&one), "all", "has records already");
    let other = Record { elapsed_s: 3.0, ..row("i", "a") };
    let other = folder(path("other"), &[other]);
    refused(&[one.clone(), other.clone()], "none", "tells a on i with seed 0 otherwise");
    let longer = folder(path("longer"), &[Record { time_limit_s: 3.0, ..row("k", "a") }]);
    refused(&[one.clone(), longer], "none", "other limits");
    assert!(!path("none").exists());
    // Read together, the later one holds.
    let both = [one, other];
    assert_eq!(Folder::read_all_curves(&both).unwrap().len(), 2);
    let both = Folder::read_all(&both).unwrap();
    assert_eq!((both.len(), both[1].elapsed_s), (2, 3.0));
}
