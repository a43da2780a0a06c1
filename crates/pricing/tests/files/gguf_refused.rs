//! GGUF files that make no sense: one message that says where and what is allowed.

use std::fs::OpenOptions;

use crate::writer::{Gguf, Llama, TINY, Tensor, Value, kind, load, nested};

#[test]
fn a_file_cut_anywhere_says_so() {
    let mut file = Llama { blocks: 1, hidden: 32, ffn: 32, vocab: 8, ..TINY }.file();
    file.data = true;
    let bytes = file.bytes();
    let header = file.header().len();
    let start = header.next_multiple_of(32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    std::fs::write(&path, &bytes).unwrap();
    let path = path.to_str().unwrap();
    let whole = edgeplan_model::load(path).unwrap();
    let handle = OpenOptions::new().write(true).open(path).unwrap();
    for length in (0..bytes.len()).rev() {
        handle.set_len(length as u64).unwrap();
        let found = edgeplan_model::load(path);
        // A file that ends where data would begin is a header alone.
        if (header..=start).contains(&length) {
            assert_eq!(found.unwrap(), whole, "{length}");
            continue;
        }
        let error = found.unwrap_err().to_string();
        let place = if length < header { ": byte " } else { "would end at byte " };
        assert!(error.starts_with(path) && error.contains(place), "{length}: {error}");
        assert!(error.contains("file ends"), "{length}: {error}");
    }
}

/// Bytes of a header with another 8 of them at that place.
fn with(at: usize, value: u64) -> Vec<u8> {
    let mut bytes = TINY.file().bytes();
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn wrong_bytes_are_refused_with_their_place() {
    let big = u64::from(3u32.swap_bytes()) | 23 << 32;
    let first_key = 24;
    let cases = [
        (0, u64::from_le_bytes(*b"GGML\x03\0\0\0"), "byte 0: magic: `GGML`; a GGUF file starts"),
        (4, 1 | 23 << 32, "byte 4: version: 1; 2 and 3 in little-endian order are allowed"),
        (4, 4 | 23 << 32, "version: 4; "),
        (4, big, "version: 3 in big-endian order"),
        (8, u64::MAX, "number of tensors: 18446744073709551615; up to 65536 are allowed"),
        (8, 65_536, "tensors: 65536 of 24 bytes or more are needed, but the file ends"),
        (16, 1 << 63, "number of metadata pairs: 9223372036854775808; up to"),
        (first_key, u64::MAX, "byte 24: metadata key 0: 18446744073709551615 bytes are needed"),
        (first_key, 1 << 40, "metadata key 0"),
        (first_key + 8 + 20, 13 | 5 << 32, "general.architecture: type 13; 0 to 12"),
    ];
    for (at, value, expected) in cases {
        let error = load("x.gguf", &with(at, value)).unwrap_err().to_string();
        assert!(error.contains("x.gguf: byte "), "{error}");
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    assert!(load("x.gguf", b"").unwrap_err().to_string().contains("byte 0: magic: 4 bytes"));
}

fn refused(change: impl Fn(&mut Gguf), expected: &str) {
    let mut file = TINY.file();
    change(&mut file);
    let error = file.load().unwrap_err().to_string();
    assert!(error.contains("model.gguf: ") && error.contains(expected), "{expected}\n{error}");
}

#[test]
fn metadata_that_makes_no_sense_is_refused_by_key() {
    let cases = [
        ("llama.block_count", Value::U32(0), "llama.block_count: 0; 1 to 1024 are allowed"),
        ("llama.block_count", Value::U64(u64::MAX), "18446744073709551615; 1 to 1024"),
        ("llama.block_count", Value::I32(-1), "llama.block_count: -1; 1 to 1024 are allowed"),
        ("llama.block_count", Value::F32(f32::NAN), "llama.block_count: a whole number is"),
        ("llama.block_count", Value::U32(3), "block 2: has no tensors"),
        ("llama.block_count", Value::U32(1), "blk.1.attn_q.weight: the model has blocks 0 to 0"),
        ("llama.embedding_length", Value::U32(0), "embedding_length: 0; 1 to 10000000"),
        ("llama.attention.head_count", Value::I32(-4), "head_count: -4; 0 to 10000000"),
        ("llama.attention.head_count_kv", Value::Numbers(vec![1]), "1 numbers; one for each of 2"),
        ("llama.attention.head_count_kv", Value::Numbers(vec![1, -1]), "head_count_kv: -1; 0 to"),
        ("llama.attention.key_length", Value::U64(1 << 40), "key_length: 1099511627776; 1 to"),
        ("llama.attention.sliding_window", Value::I32(-1), "sliding_window: -1; 0 to"),
        ("llama.vocab_size", Value::U32(0), "llama.vocab_size: 0; 1 to"),
        ("tokenizer.ggml.tokens", Value::Texts(vec![]), "tokenizer.ggml.tokens: 0; 1 to"),
        ("tokenizer.ggml.tokens", Value::U32(4), "tokenizer.ggml.tokens: a list of texts"),
        ("general.architecture", Value::U32(1), "general.architecture: a text of up to"),
        ("general.architecture", Value::Text(String::new()), "general.architecture: is missing"),
        ("general.architecture", Value::Text("x".repeat(70_000)), "a text of up to 65535 bytes"),
        ("general.alignment", Value::U32(0), "general.alignment: a power of two up to 1048576"),
        ("general.alignment", Value::U64(1 << 63), "general.alignment: a power of two"),
        ("general.alignment", Value::U32(1 << 20), "; multiples of 1048576 are allowed"),
        ("split.count", Value::U32(3), "split.count: 3; files named NAME-00001-of-00003.gguf"),
        ("deep", nested(5), "deep: arrays in arrays; up to 4 levels are allowed"),
    ];
    for (key, value, expected) in cases {
        refused(|file| file.set(key, value.clone()), expected);
    }
    for key in ["llama.block_count", "llama.embedding_length", "llama.attention.head_count"] {
        refused(|file| file.remove(key), &format!("{key}: is missing"));
    }
    refused(|file| file.metadata.push(("general.name".into(), Value::U32(1))), "a second value");
    let mut deep = TINY.file();
    deep.set("deep", nested(4));
    assert!(deep.load().is_ok());
}

#[test]
fn tensors_that_make_no_sense_are_refused_by_name() {
    let change = |name: &'static str, change: fn(&mut Tensor)| {
        move |file: &mut Gguf| change(file.tensor(name))
    };
    let name = "blk.0.attn_q.weight";
    refused(change(name, |t| t.kind = 4), "blk.0.attn_q.weight: tensor type 4 is unknown");
    refused(change(name, |t| t.kind = u32::MAX), "tensor type 4294967295 is unknown");
    refused(change(name, |t| t.dimensions = vec![1; 5]), "5 dimensions; up to 4 are allowed");
    refused(change(name, |t| t.dimensions = vec![256, 0]), "1 to 2^64 elements are allowed");
    refused(change(name, |t| t.dimensions = vec![1 << 33; 2]), "1 to 2^64 elements");
    refused(change(name, |t| t.dimensions = vec![1 << 31; 2]), "up to 2^48 bytes in all");
    refused(
        change(name, |t| (t.kind, t.dimensions[0]) = (kind("q4_K"), 100)),
        "rows of 100 in q4_K; whole blocks of 256",
    );
    refused(change(name, |t| t.name = "blk.1.attn_q.weight".into()), "a second tensor of that");
    refused(change(name, |t| t.name = "blk.9.attn_q.weight".into()), "blocks 0 to 1");
    refused(change(name, |t| t.name = "blk..weight".into()), "blk..weight: the model has");
    refused(change(name, |t| t.name = "enc.blk.0.attn_q.weight".into()), "only decoders in one");
    refused(change("token_embd.weight", |t| t.name.clear()), "token_embd.weight: is missing");
    refused(|file| file.tensors.clear(), "token_embd.weight: is missing");
    let many = |file: &mut Gguf| {
        for index in 0..10 {
            file.add(&format!("blk.0.many_{index}.weight"), &[1 << 20, 1 << 24], "f32");
        }
    };
    refused(many, "blk.0.many_3.weight: more than 2^48 bytes up to here");
}
