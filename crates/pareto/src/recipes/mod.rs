//! Recipes of the GGUF Tool Suite beside the best recipes of their sizes.
//!
//! **Thireus and the contributors of GGUF Tool Suite** publish what a whole model diverges by when
//! one tensor is in few bits, recipes of a type for each tensor, and the perplexity of each recipe.
//! From the first follows the divergence of any recipe, summed over tensors, and with it the best
//! recipe of each size, with a proof. Whether sums rank recipes as their perplexities do, the
//! published recipes tell themselves.

mod perplexity;
mod rearranged;
mod suite;

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use edgeplan_model::sensitivity::suite::CREDIT;
use edgeplan_problem::Bytes;
use edgeplan_quality::additivity::Additivity;
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

use self::perplexity::{Curve, Order};
use self::rearranged::rearranged;
use self::suite::{Lines, Suite};

/// Recipes whose sizes differ by no more than this share are of one size.
const ALIKE: f64 = 0.01;

/// Recipes of one model. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Recipes {
    /// Whom the numbers are owed to.
    pub credit: &'static str,
    /// The model's folder.
    pub model: String,
    /// Weights.
    pub parameters: u64,
    /// The type that every tensor was measured in.
    pub probe: String,
    /// Spearman's correlation of summed divergence and measured perplexity over the recipes; none
    /// for fewer than three with a perplexity.
    pub rank_correlation: Option<f64>,
    /// Pairs of recipes of one size, and of those the pairs whose sums are in the order of their
    /// perplexities.
    pub pairs: [usize; 2],
    /// Median relative error of a recipe's perplexity, read off the curve through the others.
    pub perplexity_error: Option<f64>,
    /// By size.
    pub recipes: Vec<Beside>,
}

/// A published recipe and the best of its size. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// The end of its file's name.
    pub recipe: String,
    /// Bytes of all its tensors.
    pub bytes: u64,
    /// Types that the best recipe may choose from.
    pub kinds: usize,
    /// The published perplexity.
    pub perplexity: Option<f64>,
    /// What its tensors diverge by, summed, in nats.
    pub divergence: f64,
    /// The same of the best recipe that is no larger.
    pub best: f64,
    /// No recipe of these types that is no larger has less.
    pub bound: f64,
    /// Bytes of the best recipe.
    pub best_bytes: u64,
    /// Its perplexity, read off the curve through the published recipes.
    pub best_perplexity: Option<f64>,
    /// Bytes of the smallest recipe that diverges no more than the published one.
    pub smallest_bytes: u64,
}

/// Reads a model's folder and its recipes, and finds the best recipe of the size of each.
/// It chooses from `kinds`, or from the recipe's own types where that is empty.
///
/// # Errors
/// Files that cannot be read or are no such tables, a recipe of another model, a type without
/// measurement or sizes.
///
/// # Complexity
/// Two searches a recipe, of 20 s each at most.
pub fn recipes(folder: &Path, files: &[PathBuf], probe: &str, kinds: &[String]) -> Result<Recipes> {
    let lines: Vec<Lines> = files.iter().map(|file| Lines::read(file)).collect::<Result<_, _>>()?;
    ensure!(!lines.is_empty(), "no recipe; files of `pattern=type` lines are needed");
    let named = lines.iter().flat_map(|lines| lines.kinds.iter().map(|(_, kind)| kind.clone()));
    let named: BTreeSet<String> = named.chain(kinds.iter().cloned()).collect();
    let suite = Suite::read(folder, probe, &named)?;
    let mut found = Vec::new();
    for lines in &lines {
        let recipe = lines.of(&suite)?;
        let (bytes, divergence) = suite.priced(&recipe)?;
        let own = recipe.kinds.iter().filter(|(tensor, _)| suite.is_chosen(tensor));
        let kinds: BTreeSet<String> = match kinds.is_empty() {
            true => own.map(|(_, kind)| kind.clone()).collect(),
            false => kinds.iter().cloned().collect(),
        };
        let best = rearranged(&suite, &recipe, &kinds)?;
        found.push(Beside {
            recipe: recipe.name,
            bytes,
            kinds: kinds.len(),
            perplexity: recipe.perplexity,
            divergence,
            best: best.divergence,
            bound: best.bound,
            best_bytes: best.bytes,
            best_perplexity: None,
            smallest_bytes: best.smallest,
        });
    }
    found.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(b.divergence.total_cmp(&a.divergence)));
    let known = found.iter().filter_map(|one| Some((one.divergence, one.perplexity?)));
    let known: Vec<(f64, f64)> = known.collect();
    let curve = Curve::new(&known);
    for one in &mut found {
        one.best_perplexity = curve.at(one.best);
    }
    let order = Order::of(&found);
    Ok(Recipes {
        credit: CREDIT,
        model: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        parameters: suite.parameters(),
        probe: probe.into(),
        rank_correlation: Additivity::of(&known).map(|found| found.rank_correlation),
        pairs: [order.pairs, order.right],
        perplexity_error: curve.error(),
        recipes: found,
    })
}

impl Beside {
    /// Share of the recipe's divergence that the best recipe does not have, in percent; below 0
    /// where the search ended first.
    fn less(&self) -> f64 {
        // Not -0.
        (1000.0 * (1.0 - self.best / self.divergence)).round() / 10.0 + 0.0
    }
}

impl Display for Recipes {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{}, {} of every tensor, measured by {}\n",
            self.model, self.probe, self.credit
        )?;
        let columns = [
            "recipe",
            "size>",
            "bits>",
            "perplexity>",
            "divergence>",
            "best of its size>",
            "bound>",
            "less>",
            "perplexity>",
            "smallest>",
            "types>",
        ];
        let table = Table::new(columns).with_rows(self.recipes.iter().map(|one| {
            let read = |value: Option<f64>| or_dash(value.map(|value| format!("{value:.3}")));
            [
                one.recipe.clone(),
                Bytes(one.bytes).to_string(),
                format!("{:.3}", 8.0 * one.bytes as f64 / self.parameters as f64),
                read(one.perplexity),
                format!("{:.5}", one.divergence),
                format!("{:.5}", one.best),
                format!("{:.5}", one.bound),
                format!("{:.1} %", one.less()),
                read(one.best_perplexity),
                format!("{:+.2} %", 100.0 * (one.smallest_bytes as f64 / one.bytes as f64 - 1.0)),
                one.kinds.to_string(),
            ]
        }));
        write!(f, "{table}")?;
        if let Some(rank) = self.rank_correlation {
            let [pairs, right] = self.pairs;
            let error = self.perplexity_error.map(|error| format!("{:.1} %", 100.0 * error));
            writeln!(
                f,
                "\n\nDivergence and perplexity of these recipes: Spearman's rank correlation \
                 {rank:.4}; {right} of {pairs} pairs of one size in order; a recipe's perplexity \
                 by the curve through the others: {} off (median)",
                or_dash(error)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use itertools::Itertools as _;

    use super::*;

    const KINDS: [(&str, u64, f64); 3] = [("q8", 8, 0.01), ("q4", 4, 0.2), ("q2", 2, 1.0)];
    /// Weights and divergence in the probe, q2.
    const TENSORS: [(&str, u64, f64); 4] =
        [("a.weight", 800, 0.5), ("blk.0.b", 1600, 0.03), ("blk.1.b", 1600, 0.2), ("c", 3200, 0.1)];

    fn published(folder: &Path) -> Vec<PathBuf> {
        std::fs::create_dir(folder.join("group0")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let names = TENSORS.map(|tensor| tensor.0).join(",");
        let values = TENSORS.map(|tensor| tensor.2.to_string()).join(",");
        write("kld_results.csv", &format!("QTYPE,{names}\nq2,{values}\n"));
        let whole = KINDS.map(|(kind, _, kl)| format!("{kind},{kl}\n")).concat();
        write("group0/kld_results.csv", &format!("QTYPE,group0\n{whole}"));
        for (kind, bits) in
            KINDS.map(|(kind, bits, _)| (kind, bits)).into_iter().chain([("bf16", 16)])
        {
            let line = |(name, weights, _): (&str, u64, f64)| {
                let bytes = weights * bits / 8;
                format!("f:h:{name}:shape=(1, 1):dtype={kind}:elements={weights}:bytes={bytes}\n")
            };
            let norm = "f:h:norm:shape=(8):dtype=f32:elements=8:bytes=32\n";
            write(&format!("group0/tensors.{kind}.map"), &(TENSORS.map(line).concat() + norm));
        }
        let recipes = [
            ("m.X-4.1bpw-9.5ppl.one.recipe", "^a\\.weight$=q8\n^blk\\.[01]\\.b$=q4\n^c$=q4\n"),
            ("m.X-3.1bpw-11.5ppl.a_two.recipe.txt", "^a\\.weight$=q2\n^blk\\..*$=q4\n^c$=q2\n"),
            ("m.X-2.1bpw-14.5ppl.a_three.recipe", "^a\\.weight$=q4\n.*\\.b$=q2\n^c$=q2\n"),
        ];
        recipes
            .iter()
            .map(|(name, lines)| {
                write(name, &format!("## a recipe\n\n{lines}^norm$=f32\n"));
                folder.join(name)
            })
            .collect()
    }

    #[test]
    fn the_best_recipe_of_a_size_is_that_of_brute_force() {
        let folder = tempfile::tempdir().unwrap();
        let files = published(folder.path());
        let kinds = KINDS.map(|(kind, ..)| kind.to_owned());
        let found = recipes(folder.path(), &files, "q2", &kinds).unwrap();
        assert!(found.credit.contains("Thireus"), "{found}");
        let all: Vec<(u64, f64)> = (0..TENSORS.len())
            .map(|_| KINDS)
            .multi_cartesian_product()
            .map(|chosen| {
                let of = TENSORS.iter().zip(chosen);
                of.fold((32, 0.0), |(bytes, sum), ((_, weights, probe), (_, bits, kl))| {
                    (bytes + weights * bits / 8, sum + probe * kl)
                })
            })
            .collect();
        assert_eq!(found.recipes.len(), 3);
        for one in &found.recipes {
            let fitting = all.iter().filter(|(bytes, _)| *bytes <= one.bytes);
            let least = fitting.map(|(_, kl)| *kl).fold(f64::INFINITY, f64::min);
            assert!((one.best - least).abs() < 1e-7, "{one:?}: {least}");
            assert!(one.bound <= one.best + 1e-9 && one.bound > 0.999 * one.best, "{one:?}");
            assert!(one.best_bytes <= one.bytes && one.best <= one.divergence + 1e-9, "{one:?}");
            let alike = all.iter().filter(|(_, kl)| *kl <= one.divergence + 1e-8);
            assert_eq!(Some(one.smallest_bytes), alike.map(|(bytes, _)| *bytes).min(), "{one:?}");
        }
        let names: Vec<&str> = found.recipes.iter().map(|one| one.recipe.as_str()).collect();
        assert_eq!(names, ["three", "two", "one"]);
        assert_eq!(found.recipes[2].perplexity, Some(9.5));
        // a: 0.5 * 0.01; b: 0.23 * 0.2; c: 0.1 * 0.2.
        assert!((found.recipes[2].divergence - 0.071).abs() < 1e-12);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = published(folder.path());
        let refused = |files: &[PathBuf], probe: &str, kinds: &[String]| {
            recipes(folder.path(), files, probe, kinds).unwrap_err().to_string()
        };
        let error = refused(&files, "q3", &[]);
        assert!(error.contains("no divergence above 0 in q3"), "{error}");
        let error = refused(&[], "q2", &[]);
        assert!(error.contains("no recipe"), "{error}");
        for (lines, expected) in [
            ("^a$", "line 1: `^a$`; `pattern=type` is needed"),
            ("(=q4", "line 1: `(`: "),
            ("^a\\.weight$=q8", "no line for blk.0.b, a tensor of "),
        ] {
            let file = folder.path().join("wrong.recipe");
            std::fs::write(&file, lines).unwrap();
            let error = refused(&[file], "q2", &[]);
            assert!(error.contains(expected), "{error}");
        }
        std::fs::remove_file(folder.path().join("group0/tensors.q4.map")).unwrap();
        let error = refused(&files, "q2", &[]);
        assert!(error.contains("tensors.q4.map"), "{error}");
    }
}
