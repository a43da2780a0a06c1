//! Questions and answers in the form of SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250).

use edgeplan_files::{InputError, parse_json};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    question: String,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

/// A question as a model reads it, and the answer that it is to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exercise {
    pub(crate) prompt: String,
    pub(crate) answer: String,
}

/// Whether a text is one of questions and answers.
pub(crate) fn is_kind_of(file: &str) -> bool {
    file.ends_with(".json")
}

/// The questions of a file, each with its first answer; those without one are left out.
///
/// # Errors
/// Another form than SQuAD's, a file without answers.
pub(crate) fn exercises(file: &str, text: &str) -> Result<Vec<Exercise>, InputError> {
    let File { data } = parse_json(file, text)?;
    let mut found = Vec::new();
    for Paragraph { context, qas } in data.into_iter().flat_map(|article| article.paragraphs) {
        for Question { question, answers } in qas {
            let Some(Answer { text }) = answers.into_iter().next() else { continue };
            let prompt = format!("{context}\nQuestion: {question}\nAnswer:");
            found.push(Exercise { prompt, answer: format!(" {text}\n") });
        }
    }
    if found.is_empty() {
        return Err(InputError::key(file, "data", "no answers; one or more are needed"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_come_with_their_first_answer() {
        let text = r#"{"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "C.",
            "qas": [{"id": "1", "question": "Q?", "answers": [{"text": "A", "answer_start": 0},
            {"text": "B", "answer_start": 1}]},
            {"id": "2", "question": "R?", "answers": []}]}]}]}"#;
        let found = exercises("s.json", text).unwrap();
        let expected =
            Exercise { prompt: "C.\nQuestion: Q?\nAnswer:".into(), answer: " A\n".into() };
        assert_eq!(found, [expected]);
        let error = exercises("s.json", r#"{"data": []}"#).unwrap_err().to_string();
        assert_eq!(error, "s.json: data: no answers; one or more are needed");
        let error = exercises("s.json", r#"{"data": [{}]}"#).unwrap_err().to_string();
        assert!(error.contains("s.json") && error.contains("paragraphs"), "{error}");
    }
}
