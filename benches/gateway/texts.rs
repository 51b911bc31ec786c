//! Texts that are in this repository: the sentences written for it, alone and several together, so that
//! their lengths are mixed as those of real traffic are.

use std::path::Path;

use anyhow::Context;

pub fn mixed(count: usize) -> anyhow::Result<Vec<String>> {
    let sentences = sentences()?;
    let mut next = sentences.iter().cycle();
    // One sentence, then two, up to six: as a text a question, a complaint, a review.
    let texts = [1, 1, 2, 1, 3, 2, 1, 4, 2, 6].iter().cycle().take(count);
    Ok(texts
        .map(|length| {
            let parts: Vec<&str> = next.by_ref().take(*length).map(String::as_str).collect();
            parts.join(" ")
        })
        .collect())
}

pub fn sentences() -> anyhow::Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sentences = Vec::new();
    for file in [
        "tests/sentences/aspects/orders/dev.jsonl",
        "training/sentences/aspects/orders/train.jsonl",
    ] {
        let text = std::fs::read_to_string(folder.join(file)).context(file)?;
        for line in text.lines() {
            let row: serde_json::Value = serde_json::from_str(line).context(file)?;
            sentences.push(row["text"].as_str().context("a row has a text")?.to_owned());
        }
    }
    Ok(sentences)
}

/// A request for the local model.
pub fn request(text: &str) -> String {
    serde_json::json!({"text": text, "route": "local"}).to_string()
}
