//! Vocabularies of byte pairs beside a model: `tokenizer.json`, or GPT-2's `vocab.json` and
//! `merges.txt`, which is all that an OPT has.

use std::collections::BTreeMap;
use std::path::Path;

use edgeplan_files::{InputError, parse_json, read_text};
use edgeplan_model::gguf::draft::{Draft, Value};
use serde::Deserialize;
use tokenizers::Tokenizer;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

const WHOLE: &str = "tokenizer.json";
const PARTS: [&str; 2] = ["vocab.json", "merges.txt"];

/// ggml's numbers of kinds of tokens.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;

/// What reads text for the model of a folder.
///
/// # Errors
/// Files that are missing or make no sense.
pub(crate) fn tokenizer(folder: &Path) -> Result<Tokenizer, InputError> {
    let whole = folder.join(WHOLE);
    if whole.exists() {
        let wrong = |error: tokenizers::Error| {
            InputError::file(whole.display().to_string(), error.to_string())
        };
        return Tokenizer::from_file(&whole).map_err(wrong);
    }
    let [vocabulary, merges] = PARTS.map(|part| folder.join(part));
    let shown = folder.display().to_string();
    if !(vocabulary.exists() && merges.exists()) {
        let problem = "holds no tokenizer.json, nor vocab.json and merges.txt; a vocabulary is \
                       needed to read text";
        return Err(InputError::file(shown, problem));
    }
    let wrong = |error: tokenizers::Error| InputError::file(&shown, error.to_string());
    let [vocabulary, merges] = [vocabulary, merges].map(|path| path.display().to_string());
    let pairs = BPE::from_file(&vocabulary, &merges).build().map_err(wrong)?;
    let mut tokenizer = Tokenizer::new(pairs);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    Ok(tokenizer)
}

/// What a GGUF file needs of `tokenizer.json`.
#[derive(Debug, Deserialize)]
struct Whole {
    model: serde_json::Value,
    pre_tokenizer: serde_json::Value,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Debug, Deserialize)]
struct Added {
    id: u32,
    content: String,
    special: bool,
}

/// Byte pairs.
#[derive(Debug, Deserialize)]
struct Pairs {
    vocab: BTreeMap<String, u32>,
    merges: Vec<Merge>,
}

/// Two tokens that become one: older files have a space between them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Merge {
    Spaced(String),
    Pair([String; 2]),
}

/// Adds the vocabulary of a folder to a GGUF file, for a model of `size` tokens.
///
/// # Errors
/// A vocabulary that is not of byte pairs, or cuts text in a way that has no name in GGUF.
pub(super) fn add(draft: &mut Draft, folder: &Path, size: usize) -> Result<(), InputError> {
    let path = folder.join(WHOLE);
    let file = path.display().to_string();
    let whole: Whole = parse_json(&file, &read_text(&path)?)?;
    let convert = "; convert the folder to GGUF with llama.cpp first";
    if whole.model["type"] != "BPE" || !whole.pre_tokenizer.to_string().contains("ByteLevel") {
        let problem = format!("is no vocabulary of byte pairs{convert}");
        return Err(InputError::key(file, "model", problem));
    }
    let pairs: Pairs = parse_json(&file, &whole.model.to_string())?;
    let Some(cuts) = cuts(&whole.pre_tokenizer.to_string()) else {
        let problem = format!("cuts text in a way that has no name here{convert}");
        return Err(InputError::key(file, "pre_tokenizer", problem));
    };
    let mut tokens: Vec<String> = (0..size).map(|id| format!("[PAD{id}]")).collect();
    let mut kinds = vec![UNUSED; size];
    let added = whole.added_tokens.iter().map(|token| (&token.content, token.id, token.special));
    let known = pairs.vocab.iter().map(|(token, &id)| (token, id, false));
    for (token, id, special) in known.chain(added) {
        let Some(place) = tokens.get_mut(id as usize) else {
            let problem = format!("{id} of `{token}`; 0 to {} are allowed", size - 1);
            return Err(InputError::key(file, "model.vocab", problem));
        };
        token.clone_into(place);
        kinds[id as usize] = if special { CONTROL } else { NORMAL };
    }
    let merge = |merge: Merge| match merge {
        Merge::Spaced(text) => text,
        Merge::Pair(pair) => pair.join(" "),
    };
    draft.set("tokenizer.ggml.model", Value::Text("gpt2".into()));
    draft.set("tokenizer.ggml.pre", Value::Text(cuts.into()));
    draft.set("tokenizer.ggml.tokens", Value::Texts(tokens));
    draft.set("tokenizer.ggml.token_type", Value::Numbers(kinds));
    let merges = pairs.merges.into_iter().map(merge).collect();
    draft.set("tokenizer.ggml.merges", Value::Texts(merges));
    Ok(())
}

/// GGUF's name of the way in which text is cut into words before pairs are merged.
fn cuts(pre_tokenizer: &str) -> Option<&'static str> {
    let names = [
        (r"\\p{N}{1,3}", "llama-bpe"),
        (r"|\\p{N}|", "qwen2"),
        (r#""Digits""#, "smollm"),
        (r#""use_regex":true"#, "gpt-2"),
    ];
    names.iter().find(|(mark, _)| pre_tokenizer.contains(mark)).map(|(_, name)| *name)
}
