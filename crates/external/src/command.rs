//! The command of an external solver, and its placeholders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edgeplan_files::nearest;
use edgeplan_problem::Limits;
use edgeplan_solvers::{DeploymentSolver, Entry, Guarantee};
use serde::{Deserialize, Serialize};

use crate::files::Files;

/// A solver that is a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// The command as it was written.
    pub(crate) command: String,
    /// Its words, placeholders not yet filled.
    words: Vec<String>,
    /// What `{here}` stands for.
    here: PathBuf,
}

/// What a command may ask for in braces.
const PLACEHOLDERS: [&str; 9] =
    ["instance", "plan", "claim", "start", "time", "threads", "gap", "seed", "here"];
/// The arguments of a command without placeholders.
const ARGUMENTS: [&str; 5] = ["{instance}", "{plan}", "{claim}", "{time}", "{threads}"];

impl External {
    /// The time past its limit that it has for its answer before it is killed.
    pub const GRACE: Duration = Duration::from_secs(2);

    /// Reads a command: words as a POSIX shell would split them, started without a shell. In any
    /// word, `{instance}`, `{plan}` and `{claim}` are paths, `{time}` are seconds (`inf` without a
    /// limit), `{threads}`, `{gap}` and `{seed}` are numbers, and `{here}` is the folder `here`;
    /// `{start}` is the path of a plan to start from, the best of quick rules; there is no such
    /// file where they have none. `{{` and `}}` are braces. A command without placeholders gets
    /// `{instance} {plan} {claim} {time} {threads}` as its arguments.
    ///
    /// # Errors
    /// No word, an open quote, an unknown placeholder, a command that names some but neither the
    /// instance nor the plan.
    pub fn new(command: &str, here: &Path) -> Result<Self, String> {
        let words = shlex::split(command).ok_or("a quote is open at its end")?;
        let mut words: Vec<String> = words;
        if words.first().is_none_or(String::is_empty) {
            return Err("empty; a program and its arguments are needed".into());
        }
        let mut asked = Vec::new();
        for word in &words {
            pieces(word)?.into_iter().for_each(|piece| match piece {
                Piece::Text(_) => {}
                Piece::Placeholder(name) => asked.push(name),
            });
        }
        match asked.iter().all(|name| *name == "here") {
            true => words.extend(ARGUMENTS.map(str::to_owned)),
            false => {
                let missing = ["instance", "plan"].into_iter().find(|name| !asked.contains(name));
                if let Some(name) = missing {
                    return Err(format!("{{{name}}} is missing; it is that file's path"));
                }
            }
        }
        Ok(Self { command: command.to_owned(), words, here: here.to_owned() })
    }

    /// The command as it was written.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Whether the command asks for a plan to start from.
    pub(crate) fn wants_start(&self) -> bool {
        let start = Piece::Placeholder("start");
        self.words.iter().any(|word| pieces(word).is_ok_and(|pieces| pieces.contains(&start)))
    }

    /// As a line of the registry, which lives as long as the process: as many as its command line
    /// names.
    pub fn entry(self, name: &str) -> &'static Entry {
        let make = move || Box::new(self.clone()) as DeploymentSolver;
        Box::leak(Box::new(Entry {
            name: String::from(name).leak(),
            guarantee: Guarantee::Bounded,
            about: "a program of its own, whose plan and claim are judged",
            reference: "the command line",
            make: Box::leak(Box::new(make)),
        }))
    }

    /// The words of the command for a run.
    pub(crate) fn filled(
        &self,
        files: &Files,
        limits: &Limits<'_>,
        left: Option<Duration>,
    ) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let fill = |piece: Piece<'_>| match piece {
            Piece::Text(text) => text,
            Piece::Placeholder("instance") => path(&files.instance),
            Piece::Placeholder("plan") => path(&files.plan),
            Piece::Placeholder("claim") => path(&files.claim),
            Piece::Placeholder("start") => path(&files.start),
            Piece::Placeholder("threads") => limits.threads.to_string(),
            Piece::Placeholder("gap") => limits.gap.to_string(),
            Piece::Placeholder("seed") => limits.seed.to_string(),
            Piece::Placeholder("here") => path(&self.here),
            // `time`, the last that there is.
            Piece::Placeholder(_) => {
                left.map_or("inf".into(), |left| format!("{:.3}", left.as_secs_f64()))
            }
        };
        let word = |word: &String| {
            pieces(word).unwrap_or_default().into_iter().map(fill).collect::<String>()
        };
        self.words.iter().map(word).collect()
    }
}

/// A part of a word.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(String),
    Placeholder(&'a str),
}

/// The parts of a word, in order.
fn pieces(word: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut pieces, mut text) = (Vec::new(), String::new());
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        text += &rest[..at];
        let (brace, behind) = rest[at..].split_at(1);
        if let Some(behind) = behind.strip_prefix(brace) {
            text += brace;
            rest = behind;
            continue;
        }
        let name = behind.split_once('}').filter(|_| brace == "{");
        let Some((name, behind)) = name else {
            return Err(format!("`{word}`: a single `{brace}`; `{brace}{brace}` is a brace"));
        };
        let Some(known) = PLACEHOLDERS.into_iter().find(|known| *known == name) else {
            let near = nearest(name, PLACEHOLDERS).map(|near| format!("did you mean {{{near}}}?"));
            let all = || format!("{{{}}} are known", PLACEHOLDERS.join("}, {"));
            return Err(format!("{{{name}}} is unknown; {}", near.unwrap_or_else(all)));
        };
        pieces.extend([Piece::Text(std::mem::take(&mut text)), Piece::Placeholder(known)]);
        rest = behind;
    }
    pieces.push(Piece::Text(text + rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(command: &str) -> String {
        let files = Files::named(Path::new("/tmp/f"));
        let external = External::new(command, Path::new("suites")).unwrap();
        let limits = Limits { threads: 2, gap: 0.5, seed: 7, ..Limits::default() };
        external.filled(&files, &limits, Some(Duration::from_millis(1500))).join("|")
    }

    #[test]
    fn placeholders_are_filled_within_words() {
        assert_eq!(
            filled("mine --limits={time}:{threads}:{gap}:{seed} '{here}/a b' {instance} {plan}"),
            "mine|--limits=1.500:2:0.5:7|suites/a b|/tmp/f/instance.json|/tmp/f/plan.json"
        );
        let all = "/tmp/f/instance.json|/tmp/f/plan.json|/tmp/f/claim.json|1.500|2";
        assert_eq!(filled("python3 'my solver.py'"), format!("python3|my solver.py|{all}"));
        assert_eq!(filled("python3 {here}/s.py"), format!("python3|suites/s.py|{all}"));
        assert_eq!(filled("awk {{print}} {instance} {plan}").split('|').nth(1), Some("{print}"));
        let external = External::new("x {instance}{plan}{time}", Path::new(".")).unwrap();
        let files = Files::named(Path::new("/f"));
        let words = external.filled(&files, &Limits::default(), None);
        assert_eq!(words[1], "/f/instance.json/f/plan.jsoninf");
    }

    #[test]
    fn commands_that_make_no_sense_are_refused() {
        let cases = [
            ("", "empty; a program"),
            ("  ", "empty; a program"),
            ("''", "empty; a program"),
            ("x 'a b", "a quote is open"),
            ("x {instnce} {plan}", "{instnce} is unknown; did you mean {instance}?"),
            ("x {abcdefghijk}", "{abcdefghijk} is unknown; {instance}, {plan}, {claim}"),
            ("x {instance}", "{plan} is missing"),
            ("x {time}", "{instance} is missing"),
            ("x {instance", "`{instance`: a single `{`"),
            ("x instance}", "a single `}`; `}}` is a brace"),
        ];
        for (command, expected) in cases {
            let error = External::new(command, Path::new(".")).unwrap_err();
            assert!(error.contains(expected), "{command}: {error}");
        }
    }
}
