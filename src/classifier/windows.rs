//! Text that is longer than a model reads at once, in pieces that end where sentences do.

use tokenizers::Encoding;

use super::{Encoder, Error};

/// The sentences of a text without the space around them, each with its first byte.
pub fn sentences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    sentencex::get_sentence_boundaries("en", text)
        .into_iter()
        .map(|sentence| {
            let whole = &text[sentence.start_byte..sentence.end_byte];
            let indent = whole.len() - whole.trim_start().len();
            (sentence.start_byte + indent, whole.trim())
        })
        .filter(|(_, sentence)| !sentence.is_empty())
}

/// The text's tokens in as many windows of at most `max_tokens` as it takes; together they hold
/// the whole text.
pub fn encode(encoder: &Encoder, text: &str, max_tokens: usize) -> Result<Vec<Encoding>, Error> {
    let whole = encoder.encode(text)?;
    if whole.len() <= max_tokens {
        return Ok(vec![whole]);
    }
    let mut windows = Vec::new();
    for piece in pieces(text, &whole, max_tokens) {
        // A piece can hold more tokens than it did inside the text where the tokenizer merges
        // across its edges; it is then cut again. Pieces are shorter than the text, so this ends.
        windows.extend(encode(encoder, piece, max_tokens)?);
    }
    Ok(windows)
}

/// Cuts a text after the last sentence end that fits, else after the last whole word, else
/// anywhere between characters.
fn pieces<'a>(text: &'a str, whole: &Encoding, max_tokens: usize) -> Vec<&'a str> {
    let special: usize = whole.get_special_tokens_mask().iter().map(|flag| *flag as usize).sum();
    let room = max_tokens.saturating_sub(special).max(1);
    let ends: Vec<usize> = whole
        .get_offsets()
        .iter()
        .zip(whole.get_special_tokens_mask())
        .filter(|(_, special)| **special == 0)
        .map(|((_, end), _)| *end)
        .collect();
    let sentence_ends: Vec<usize> = sentencex::get_sentence_boundaries("en", text)
        .into_iter()
        .map(|sentence| sentence.end_byte)
        .collect();
    let mut pieces = Vec::new();
    let (mut start, mut first) = (0, 0);
    while first + room < ends.len() {
        let limit = text.floor_char_boundary(ends[first + room - 1]);
        let sentence = sentence_ends.iter().rev().copied().find(|end| *end <= limit);
        let word = || text[..limit].rfind(char::is_whitespace);
        let cut = sentence
            .filter(|end| *end > start)
            .or_else(|| word().filter(|end| *end > start))
            .unwrap_or(limit)
            .max(text.ceil_char_boundary(start + 1));
        pieces.push(&text[start..cut]);
        start = cut;
        first = ends.partition_point(|end| *end <= cut);
    }
    pieces.push(&text[start..]);
    pieces
}
