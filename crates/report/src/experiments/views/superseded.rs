//! What a page's rows are no longer good for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use edgeplan_records::declared::declared;
use edgeplan_records::folder::Folder;
use edgeplan_records::row::Record;

use super::super::block::Request;
use super::Rendered;

/// A paragraph for each kind of superseded rows among all that the page shows; nothing where there
/// are none, so that it goes when they are recorded again.
pub(super) fn make(request: &Request<'_>) -> Result<Rendered, String> {
    if !request.folders.is_empty() {
        return Err("`superseded` takes no folders, but those of its page".into());
    }
    let folders: Vec<PathBuf> =
        request.on_page.iter().map(|name| request.root.join(name)).collect();
    let records = Folder::read_all(&folders).map_err(|error| error.to_string())?;
    Ok(warning(&records).into())
}

fn warning(records: &[Record]) -> String {
    let mut text = String::new();
    for old in &declared().superseded {
        let those = records.iter().filter(|row| old.holds(row));
        let names: BTreeSet<&str> = those.map(|row| row.solver.as_str()).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_by_key(|name| declared().place(old.problem, name));
        let labels: Vec<&str> =
            names.iter().map(|name| declared().label(old.problem, name)).collect();
        let listed = match &labels[..] {
            [] => continue,
            [only] => (*only).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        };
        text += &format!(
            "> **To be recorded again:** the rows of {listed} on {} questions. These rows {}.\n\n",
            old.problem.word(),
            old.why
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::block::splice;
    use std::path::Path;

    const HEADER: &str = "suite,instance,fingerprint,layers,devices,options_max,placement,\
        objective,solver,seed,verdict,reason,cost,lower_bound,gap,elapsed_s,first_plan_s,\
        first_plan_cost,work,peak_memory_bytes,stopped,time_limit_s,gap_limit,\
        memory_limit_bytes,revision,machine";

    fn row(solver: &str, revision: &str) -> String {
        format!(
            "\ns,i,00,3,2,1,contiguous,latency,{solver},0,optimal,,5,5,0.0,1.0,1.0,5,,,,60.0,\
             0.0001,4294967296,{revision},m"
        )
    }

    #[test]
    fn a_page_says_that_rows_are_old_until_there_are_new_ones() {
        let place = tempfile::tempdir().unwrap();
        let record = |name: &str, rows: &[String]| {
            let folder = place.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("records.csv"), HEADER.to_owned() + &rows.concat()).unwrap();
        };
        record("old", &[row("highs", "f041f79"), row("cbc", "a60ca2e-dirty")]);
        record("new", &[row("highs", "0123456"), row("cbc", "0123456")]);
        record("ours", &[row("chain-search", "f041f79")]);
        let page = |folders: &str| {
            let text = format!(
                "# P\n\n<!-- BEGIN: superseded -->\n<!-- END -->\n\n\
                 <!-- BEGIN: summary {folders} -->\n<!-- END -->\n"
            );
            splice(place.path(), Path::new("p.md"), &text).unwrap().text
        };
        let old = page("ours old");
        let expected = "rows of HiGHS 1.15 and CBC 2.10.8 on deployment questions. These rows stem";
        assert!(old.contains(expected), "{old}");
        for folders in ["ours", "old new", "new"] {
            let new = page(folders);
            assert!(!new.contains("recorded again"), "{folders}: {new}");
        }
    }
}
