use edgeplan_problem::Cost;

use super::*;
use crate::row::tests::row;
use crate::row::{Kind, PointKind, Word};

const POINT: Point = Point { at_s: 0.25, kind: PointKind::Bound, value: Cost(7) };

#[test]
fn rows_survive_half_written_ones() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("new/folder");
    let strange = Record { reason: "two, \"quoted\"".into(), ..row("i", "a") };
    let mut folder = Folder::create(&path).unwrap();
    folder.add(strange.clone(), &[POINT, POINT]).unwrap();
    folder.add(row("i", "b"), &[]).unwrap();
    assert_eq!(Folder::read(&path).unwrap(), [strange.clone(), row("i", "b")]);
    // Killed after the curve of a trial and in the middle of its record.
    let mut file = OpenOptions::new().append(true).open(path.join(CURVE)).unwrap();
    file.write_all(b"suite,j,a,0,0.5,bound,3\nsuite,j,a,0,0.7,bou").unwrap();
    let mut file = OpenOptions::new().append(true).open(path.join(RECORDS)).unwrap();
    file.write_all(b"suite,j,a,0").unwrap();
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
    refused(&[row("i", "a"), row("i", "a")], "row 2: a on i is there twice");
    let unpriced = Record { verdict: Word::Feasible, ..row("i", "a") };
    refused(&[unpriced], "row 1: cost is empty, which `feasible` does not allow");
    let text = std::fs::read_to_string(place.path().join(RECORDS)).unwrap();
    let text = text.replace("feasible", "fesible");
    std::fs::write(place.path().join(RECORDS), text).unwrap();
    let error = Folder::read(place.path()).unwrap_err().to_string();
    assert!(error.contains("unknown variant `fesible`"), "{error}");
    let error = Folder::read(&place.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn an_older_layout_is_read_but_not_added_to() {
    let place = tempfile::tempdir().unwrap();
    let text = csv_text(std::iter::once(row("i", "a")), true).unwrap();
    let older: Vec<String> =
        (text.lines()).map(|line| line.split(',').collect::<Vec<_>>()[..26].join(",")).collect();
    std::fs::write(place.path().join(RECORDS), older.join("\n") + "\n").unwrap();
    let records = Folder::read(place.path()).unwrap();
    assert_eq!((records[0].problem, records[0].cpu_s), (Kind::Deployment, None));
    let Record { threads, cores, load, formulation, .. } = &records[0];
    assert_eq!((*threads, cores.as_str(), *load, *formulation), (None, "", None, None));
    let error = Folder::create(place.path()).unwrap_err().to_string();
    assert!(error.contains("records.csv: header: has the columns of an older"), "{error}");
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
