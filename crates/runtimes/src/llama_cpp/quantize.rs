//! `llama-quantize` with a type for each tensor.

use edgeplan_model::StoredType;
use edgeplan_problem::deployment::Part;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::{FormatMix, Recipe, TensorClass};

use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::shell::{option, script};

/// The classes of matrices that a part of a block may have. Which of them a model has is not known
/// here: a pattern without a tensor does nothing.
fn classes(part: Part) -> impl Iterator<Item = TensorClass> {
    const EXPERTS: [TensorClass; 4] = [
        TensorClass::FfnGateExps,
        TensorClass::FfnUpExps,
        TensorClass::FfnDownExps,
        TensorClass::FfnGateUpExps,
    ];
    const DENSE: [TensorClass; 3] =
        [TensorClass::FfnGate, TensorClass::FfnUp, TensorClass::FfnDown];
    let has = move |class: &TensorClass| match part {
        Part::Block(_) => true,
        Part::Experts(_) => EXPERTS.contains(class),
        Part::FeedForward(_) => DENSE.contains(class),
        Part::Attention(_) => !EXPERTS.contains(class) && !DENSE.contains(class),
        Part::Embedding | Part::Head => false,
    };
    TensorClass::MATRICES.into_iter().filter(|class| class.of_block()).filter(has)
}

/// The script that quantizes, and the step that runs it; nothing where the file is served as it is.
pub(crate) fn quantized(order: &Order, layers: &[Placed]) -> Written {
    let how = "(from an f32, f16 or bf16 file); only the source needs the result";
    quantized_by(order, layers, how)
}

/// As [`quantized`], with what else is said of the step.
pub(crate) fn quantized_by(order: &Order, layers: &[Placed], how: &str) -> Written {
    let Some(text) = text(layers, order.kept) else { return Written::default() };
    let setting = ImportanceMatrix::of(layers).setting();
    Written {
        files: vec![("quantize.sh".into(), text)],
        steps: vec![format!("Once: `{setting}./quantize.sh float.gguf model.gguf` {how}")],
    }
}

fn text(layers: &[Placed], kept: &[(TensorClass, StoredType)]) -> Option<String> {
    let [embedding, .., head] = layers else { return None };
    if layers.iter().all(|layer| layer.recipe == Recipe::Native) {
        return None;
    }
    let mut arguments = vec!["\"${LLAMA_QUANTIZE:-llama-quantize}\"".to_owned()];
    let matrix = ImportanceMatrix::of(layers);
    arguments.extend(matrix.argument());
    let ends = [
        ("--token-embedding-type", format(embedding, TensorClass::TokenEmbd)),
        ("--output-tensor-type", format(head, TensorClass::Output)),
    ];
    arguments.extend(ends.into_iter().filter_map(|(name, format)| Some(option(name, format?))));
    arguments.extend(tensor_types(layers, kept).iter().map(|value| option("--tensor-type", value)));
    for (class, stored) in kept {
        let value = format!("{}\\.weight$={}", class.name(), stored.name);
        arguments.push(option("--tensor-type", &value));
    }
    // A type with blocks of 32 for whatever is not named: any other one might overrule the rest.
    arguments.push("\"$1\" \"${2:-model.gguf}\" Q8_0".into());
    let what = "Stores each tensor as planned: quantize.sh FLOAT.gguf [OUT.gguf]";
    let before = format!(": \"${{1:?a GGUF file in f32, f16 or bf16}}\"\n{}", matrix.check());
    Some(script(what, &before, &arguments))
}

/// Whether llama-quantize wants to know how much each weight matters (`llama-imatrix` measures it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImportanceMatrix {
    /// It refuses to work without.
    Needed,
    /// The losses that are published of the formats are of files made with one.
    Better,
    Unused,
}

impl ImportanceMatrix {
    fn of(layers: &[Placed]) -> Self {
        let blocks = layers.iter().filter(|layer| layer.part.block().is_some());
        let formats = blocks.filter_map(|layer| layer.recipe.mix()).flat_map(FormatMix::formats);
        let need = |format: Format| match format {
            _ if format.needs_importance_matrix() => Self::Needed,
            Format::IQ3S | Format::IQ4XS | Format::IQ4NL => Self::Better,
            _ => Self::Unused,
        };
        let needs: Vec<Self> = formats.map(need).collect();
        let of = [Self::Needed, Self::Better].into_iter().find(|need| needs.contains(need));
        of.unwrap_or(Self::Unused)
    }

    fn argument(self) -> Option<String> {
        match self {
            Self::Needed => Some("--imatrix \"$IMATRIX\"".into()),
            Self::Better => Some("${IMATRIX:+--imatrix \"$IMATRIX\"}".into()),
            Self::Unused => None,
        }
    }

    fn check(self) -> &'static str {
        match self {
            Self::Needed => {
                "# llama-imatrix -m FLOAT.gguf -f TEXT.txt -o imatrix.gguf makes one.\n\
                 : \"${IMATRIX:?these IQ types need an importance matrix: IMATRIX=FILE}\"\n"
            }
            Self::Better => {
                "# IQ types lose less with an importance matrix: IMATRIX=FILE, of llama-imatrix.\n"
            }
            Self::Unused => "",
        }
    }

    fn setting(self) -> &'static str {
        match self {
            Self::Needed | Self::Better => "IMATRIX=imatrix.gguf ",
            Self::Unused => "",
        }
    }
}

/// The format of a class of a layer's tensors; none where they stay as the file has them.
fn format(layer: &Placed, class: TensorClass) -> Option<Format> {
    layer.recipe.mix().map(|mix| mix.format(class))
}

/// Which tensors of blocks get which type: patterns of which one tensor matches one at most,
/// because versions of llama-quantize differ in which of several wins.
fn tensor_types(layers: &[Placed], kept: &[(TensorClass, StoredType)]) -> Vec<String> {
    let mut groups: Vec<(Format, Vec<usize>, Vec<&str>)> = Vec::new();
    let is_kept = |class: TensorClass| kept.iter().any(|(known, _)| *known == class);
    for class in TensorClass::MATRICES.into_iter().filter(|&class| !is_kept(class)) {
        let mut formats: Vec<(Format, Vec<usize>)> = Vec::new();
        for layer in layers.iter().filter(|layer| classes(layer.part).any(|has| has == class)) {
            let (Some(block), Some(format)) = (layer.part.block(), format(layer, class)) else {
                continue;
            };
            match formats.iter_mut().find(|(known, _)| *known == format) {
                Some((_, blocks)) => blocks.push(block),
                None => formats.push((format, vec![block])),
            }
        }
        for (format, blocks) in formats {
            match groups.iter_mut().find(|group| (group.0, &group.1) == (format, &blocks)) {
                Some((_, _, classes)) => classes.push(class.name()),
                None => groups.push((format, blocks, vec![class.name()])),
            }
        }
    }
    let pattern = |(format, blocks, classes): (Format, Vec<usize>, Vec<&str>)| {
        let blocks: Vec<String> = blocks.iter().map(usize::to_string).collect();
        let (blocks, classes) = (blocks.join("|"), classes.join("|"));
        format!("^blk\\.({blocks})\\.({classes})\\.weight$={format}")
    };
    groups.into_iter().map(pattern).collect()
}
