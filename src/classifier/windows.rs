//! Text that is longer than a model reads at once, in pieces that end where sentences do.

use tokenizers::Encoding;

use super::{Encoder, Error};

/// The sentences of a text without the space around them: each one's first byte, and the first
/// that is no longer in it.
pub fn sentences(text: &str) -> Vec<(usize, usize)> {
    sentencex::get_sentence_boundaries("en", text)
        .into_iter()
        .map(|sentence| {
            let whole = &text[sentence.start_byte..sentence.end_byte];
            let start = sentence.start_byte + whole.len() - whole.trim_start().len();
            (start, start + whole.trim().len())
        })
        .filter(|(start, end)| start < end)
        .collect()
}

/// A piece of a text that fits into one pass.
pub struct Window {
    /// Its first byte in the text; the offsets of its tokens count from there.
    pub start: usize,
    pub tokens: Encoding,
}

/// The text's tokens in as many windows of at most `max_tokens` as it takes; together they hold
/// the whole text.
pub fn encode(encoder: &Encoder, text: &str, max_tokens: usize) -> Result<Vec<Window>, Error> {
    let tokens = encoder.encode(text)?;
    if tokens.len() <= max_tokens {
        return Ok(vec![Window { start: 0, tokens }]);
    }
    let mut windows = Vec::new();
    cut(0, encoder, text, &tokens, max_tokens, &mut windows)?;
    Ok(windows)
}

fn cut(
    start: usize,
    encoder: &Encoder,
    text: &str,
    tokens: &Encoding,
    most: usize,
    windows: &mut Vec<Window>,
) -> Result<(), Error> {
    let mut at = start;
    for piece in pieces(text, tokens, most) {
        let tokens = encoder.encode(piece)?;
        // A piece can hold more tokens than it did inside the text where the tokenizer merges
        // across its edges; it is then cut again. Each is shorter than the text, so this ends.
        if tokens.len() > most {
            cut(at, encoder, piece, &tokens, most, windows)?;
        } else {
            windows.push(Window { start: at, tokens });
        }
        at += piece.len();
    }
    Ok(())
}

/// Cuts a text into pieces of about the same length: each ends with the sentence that brings it
/// nearest to its share, else after the last whole word that fits, else anywhere between
/// characters.
fn pieces<'a>(text: &'a str, whole: &Encoding, most: usize) -> Vec<&'a str> {
    let special: usize = whole.get_special_tokens_mask().iter().map(|flag| *flag as usize).sum();
    let room = most.saturating_sub(special).max(1);
    let tokens: Vec<(usize, usize)> = whole
        .get_offsets()
        .iter()
        .zip(whole.get_special_tokens_mask())
        .filter(|(_, special)| **special == 0)
        .map(|(offsets, _)| *offsets)
        .collect();
    let tokens_before = |byte: usize| tokens.partition_point(|(_, end)| *end <= byte);
    let sentence_ends: Vec<usize> = sentencex::get_sentence_boundaries("en", text)
        .into_iter()
        .map(|sentence| sentence.end_byte)
        .collect();
    let mut pieces = Vec::new();
    let (mut start, mut first) = (0, 0);
    while first + room < tokens.len() {
        // Where the first token that no longer fits starts: always before the end of the text, also
        // where several tokens stand for one character.
        let limit = text.floor_char_boundary(tokens[first + room].0).max(start);
        let left = tokens.len() - first;
        let share = first + left.div_ceil(left.div_ceil(room));
        let first_end = sentence_ends.partition_point(|end| *end <= start);
        let past_limit = sentence_ends.partition_point(|end| *end <= limit);
        let sentence = nearest(&sentence_ends[first_end..past_limit], share, tokens_before);
        let word = || text[start..limit].rfind(char::is_whitespace).map(|end| start + end);
        let cut = sentence
            .or_else(|| word().filter(|end| *end > start))
            .unwrap_or(limit)
            .max(text.ceil_char_boundary(start + 1));
        pieces.push(&text[start..cut]);
        start = cut;
        first = tokens_before(cut);
    }
    pieces.push(&text[start..]);
    pieces
}

/// Which of these ends, which ascend, has nearest to `share` tokens before it; of equals the first.
fn nearest(ends: &[usize], share: usize, before: impl Fn(usize) -> usize) -> Option<usize> {
    let above = ends.partition_point(|end| before(*end) < share);
    let under = ends[..above].last().map(|end| before(*end)).map(|tokens| {
        let first = ends.partition_point(|end| before(*end) < tokens);
        (share - tokens, ends[first])
    });
    let over = ends.get(above).map(|end| (before(*end) - share, *end));
    under.into_iter().chain(over).min_by_key(|(distance, _)| *distance).map(|(_, end)| end)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    const MAX_TOKENS: usize = 16;

    fn encoder() -> Encoder {
        let path = "models/undertone-mini/tokenizer.json";
        Encoder::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is bundled")
    }

    /// The windows fit, and each holds the tokens of all that lies between its start and the
    /// next one's. (Their number says nothing: a word that is cut can take fewer than it did.)
    fn check(encoder: &Encoder, text: &str) {
        let windows = encode(encoder, text, MAX_TOKENS).expect("every text has tokens");
        assert_eq!(windows[0].start, 0, "{text:?}");
        let ends = windows[1..].iter().map(|next| next.start).chain([text.len()]);
        for (window, end) in windows.iter().zip(ends) {
            assert!(window.tokens.len() <= MAX_TOKENS, "{text:?}");
            let between = encoder.encode(&text[window.start..end]).expect("every text has tokens");
            assert_eq!(window.tokens.get_ids(), between.get_ids(), "{text:?}");
        }
    }

    #[test]
    fn a_character_of_several_tokens_at_the_end_is_cut_like_any_other() {
        let encoder = encoder();
        for length in 1..40 {
            check(&encoder, &"한".repeat(length));
            check(&encoder, &"그 한글 문장. ".repeat(length));
        }
    }

    #[test]
    fn a_long_text_is_read_in_pieces_of_about_the_same_length() {
        let encoder = encoder();
        let text = "The hinge broke on the second day. ".repeat(30);
        let windows = encode(&encoder, &text, 128).expect("every text has tokens");
        let lengths: Vec<usize> = windows.iter().map(|window| window.tokens.len()).collect();
        // The tokenizer leaves out the full stop at a piece's end.
        assert_eq!(lengths, [91, 91, 91]);
        assert!(windows.iter().all(|window| text[window.start..].starts_with("The ")));
    }

    #[test]
    fn windows_end_where_sentences_do() {
        let encoder = encoder();
        let text = "The soup was cold. The waiter did not care at all. We left early and hungry.";
        let windows = encode(&encoder, text, MAX_TOKENS).expect("every text has tokens");
        assert_eq!(windows.len(), 2);
        check(&encoder, text);
    }

    #[test]
    fn a_word_that_is_cut_may_take_fewer_tokens() {
        check(&encoder(), "\"00 AaAΣA῝𐬹𐬹A.𞹗#\u{1e026}#𞸹#A:DF\u{b}QBV02");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_is_cut_short_or_goes_round_for_ever(text in "(\\PC|\\s){0,120}") {
            check(&encoder(), &text);
        }
    }
}
