//! Vocabularies of SentencePiece in GGUF files (`tokenizer.ggml.model` is `llama`): pieces with
//! scores, of which the pair whose whole has the highest score is joined first (Kudo and Richardson
//! 2018; ggml-org/llama.cpp, `src/llama-vocab.cpp`).

use std::collections::HashMap;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Error, Result};
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::Replace;
use tokenizers::{AddedToken, Tokenizer};

/// What stands for a space in pieces.
const SPACE: &str = "\u{2581}";
/// ggml's numbers of kinds of tokens that text does not become.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const BYTE: i64 = 6;
const USER_DEFINED: i64 = 4;

/// Whether a file's vocabulary is one.
pub(crate) fn is_kind_of(content: &Content) -> bool {
    let kind = content.metadata.get("tokenizer.ggml.model");
    matches!(kind, Some(Value::String(kind)) if kind == "llama")
}

/// What reads text in the vocabulary of a file.
///
/// # Errors
/// Lists that are missing or of different lengths, no token for what is unknown.
pub(crate) fn tokenizer(content: &Content) -> Result<Tokenizer> {
    let list = |name: &str| match content.metadata.get(&format!("tokenizer.ggml.{name}")) {
        Some(Value::Array(values)) => Ok(values),
        _ => Err(Error::Msg(format!("{name} is missing, or no list"))),
    };
    let tokens = list("tokens")?.iter().map(|token| token.to_string().cloned());
    let tokens: Vec<String> = tokens.collect::<Result<_>>()?;
    let scores = list("scores")?.iter().map(Value::to_f32).collect::<Result<Vec<f32>>>()?;
    let kinds = list("token_type")?.iter().map(whole).collect::<Result<Vec<i64>>>()?;
    if scores.len() != tokens.len() || kinds.len() != tokens.len() {
        let (tokens, scores, kinds) = (tokens.len(), scores.len(), kinds.len());
        candle_core::bail!("{tokens} tokens, {scores} scores and {kinds} kinds");
    }
    let joined: Vec<(f32, &str)> = (tokens.iter().zip(&scores).zip(&kinds))
        .filter(|(_, kind)| ![UNKNOWN, CONTROL, BYTE].contains(kind))
        .map(|((token, score), _)| (*score, token.as_str()))
        .collect();
    let ids: HashMap<String, u32> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)).collect();
    let merges = merges(joined, &ids);
    let named = content.metadata.get("tokenizer.ggml.unknown_token_id");
    let named = named.and_then(|id| id.to_u32().ok()).map(|id| id as usize);
    let unknown = named.or_else(|| kinds.iter().position(|&kind| kind == UNKNOWN));
    let unknown = unknown.and_then(|id| tokens.get(id));
    let unknown = unknown.ok_or_else(|| Error::Msg("no token for what is unknown".into()))?;
    let pairs = BPE::builder()
        .vocab_and_merges(ids.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
        .unk_token(unknown.clone())
        .byte_fallback(true)
        .fuse_unk(true);
    let mut tokenizer = Tokenizer::new(pairs.build().map_err(Error::wrap)?);
    let spaces = Replace::new(" ", SPACE).map_err(Error::wrap)?;
    tokenizer.with_normalizer(Some(spaces)).map_err(Error::wrap)?;
    // Such tokens are looked for before anything is joined.
    let whole = tokens.iter().zip(&kinds).filter(|(_, kind)| **kind == USER_DEFINED);
    let whole: Vec<AddedToken> =
        whole.map(|(token, _)| AddedToken::from(token.clone(), false)).collect();
    tokenizer.add_tokens(whole).map_err(Error::wrap)?;
    Ok(tokenizer)
}

/// Pairs of pieces that are a piece together, those with the highest score first; of one piece the
/// pair of the earliest pieces.
fn merges(joined: Vec<(f32, &str)>, ids: &HashMap<String, u32>) -> Vec<(String, String)> {
    let mut found: Vec<(f32, [u32; 2], [&str; 2])> = Vec::new();
    for (score, token) in joined {
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(&a), Some(&b)) = (ids.get(left), ids.get(right)) {
                found.push((score, [a, b], [left, right]));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.into_iter().map(|(_, _, [left, right])| (left.into(), right.into())).collect()
}

fn whole(value: &Value) -> Result<i64> {
    Ok(match value {
        Value::I32(value) => (*value).into(),
        Value::U32(value) => (*value).into(),
        other => other.to_i64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(tokens: &[(&str, f32, i32)]) -> Content {
        let list = |values: Vec<Value>| Value::Array(values);
        let metadata = HashMap::from([
            ("tokenizer.ggml.model".into(), Value::String("llama".into())),
            (
                "tokenizer.ggml.tokens".into(),
                list(tokens.iter().map(|token| Value::String(token.0.into())).collect()),
            ),
            (
                "tokenizer.ggml.scores".into(),
                list(tokens.iter().map(|token| Value::F32(token.1)).collect()),
            ),
            (
                "tokenizer.ggml.token_type".into(),
                list(tokens.iter().map(|token| Value::I32(token.2)).collect()),
            ),
        ]);
        let (magic, tensor_infos) =
            (candle_core::quantized::gguf_file::VersionedMagic::GgufV3, HashMap::new());
        Content { magic, metadata, tensor_infos, tensor_data_offset: 0 }
    }

    #[test]
    fn the_piece_with_the_highest_score_is_joined_first() {
        let content = content(&[
            ("<unk>", 0.0, 2),
            ("<0x0A>", 0.0, 6),
            ("a", -10.0, 1),
            ("b", -11.0, 1),
            ("c", -12.0, 1),
            ("\u{2581}", -13.0, 1),
            ("bc", -1.0, 1),
            ("ab", -2.0, 1),
            ("abc", -5.0, 1),
            ("\u{2581}a", -3.0, 1),
        ]);
        assert!(is_kind_of(&content));
        let tokenizer = tokenizer(&content).unwrap();
        let read = |text: &str| tokenizer.encode_fast(text, false).unwrap().get_ids().to_vec();
        // bc before ab, then a and bc.
        assert_eq!(read("abc"), [8]);
        assert_eq!(read("ab"), [7]);
        // The space takes the a before bc can.
        assert_eq!(read(" abc"), [9, 6]);
        // A byte that no piece has.
        assert_eq!(read("a\n"), [2, 1]);
    }
}
