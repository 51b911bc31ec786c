//! How far a text is from what the model was taught to read: English that people write.

use tokenizers::Encoding;

use super::language::{Evidence, Language, without_names};

/// Twice the share of strange words from which on no text is taken for English, so that the signal is one
/// half there.
const STRANGE: f32 = 1.3;

/// Twice the share of words of a program from which on a text is one. `benches/language.rs` shows how
/// many English texts have as many, and how many pieces of six lines of programs do.
const CODE: f32 = 0.3;
/// So many words of a program may be in any text.
const SOME_CODE: usize = 3;

/// What a tokenizer makes of a text, beside its tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Familiarity {
    /// The share of words that are none of English, not even misspelt.
    pub strange: f32,
    /// The share of tokens that it does not have at all.
    pub unknown: f32,
}

impl Familiarity {
    /// `unknown` is the token that stands for what is not in the vocabulary.
    pub fn of(tokens: &Encoding, unknown: Option<u32>, evidence: &Evidence) -> Familiarity {
        let count = tokens.get_ids().iter().filter(|id| Some(**id) == unknown).count();
        let unknown = count as f32 / tokens.len().max(1) as f32;
        Familiarity { strange: evidence.strange(), unknown }
    }
}

/// The signal `out_of_domain`, 0 to 1: 1 in a language that the model does not read; else how much
/// of the text is in strange words, unknown, or of a program. Misspelt words are not strange.
pub fn out_of_domain(text: &str, language: &Language, familiarity: Familiarity) -> f32 {
    if !language.supported {
        return 1.0;
    }
    let Familiarity { strange, unknown } = familiarity;
    // What is strange in English may be plain in another language that the model reads.
    let strange = if language.is("en") { strange } else { 0.0 };
    (strange / STRANGE).max(unknown).max(share_of_code(text) / CODE).min(1.0)
}

/// The share of words that belong to a program, 0 where they are few.
fn share_of_code(text: &str) -> f32 {
    // Hardly any text has one of these, and looking for bytes is quick.
    if !text.contains(['=', '{', '(', '_', ';', '[', ':', '<', '-', '&']) {
        return 0.0;
    }
    let text = without_names(text);
    let (mut code, mut all) = (0, 0);
    for word in text.split_whitespace() {
        all += 1;
        code += usize::from(is_code(word));
    }
    if code < SOME_CODE { 0.0 } else { code as f32 / all as f32 }
}

fn is_code(word: &str) -> bool {
    const MARKS: [&str; 14] =
        ["::", "->", "=>", "==", "!=", "+=", "&&", "||", "()", "{", "}", "</", "/>", "[]"];
    let word = word.trim_end_matches(['.', ',', '!', '?']);
    if matches!(word, "=" | "+" | "|" | "[" | "(" | "<")
        || MARKS.iter().any(|mark| word.contains(mark))
    {
        return true;
    }
    // `f(`, `x;`, but not an entity such as `&amp;`.
    let ends = word.len() > 1 && word.ends_with([';', '(']) && !word.starts_with('&');
    ends || joins(word)
}

/// Whether a mark joins two parts of a word as in `snake_case`, `a=b` and `list[0]`; an acronym in
/// capitals, `A_B`, is left alone.
fn joins(word: &str) -> bool {
    let bytes = word.as_bytes();
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let joined = bytes.windows(3).any(|three| {
        part(three[0]) && matches!(three[1], b'_' | b'=' | b'(' | b'[') && part(three[2])
    });
    joined && word.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn code(text: &str) -> f32 {
        let english = Language { code: Cow::Borrowed("en"), supported: true };
        out_of_domain(text, &english, Familiarity::default())
    }

    #[test]
    fn a_program_is_far_and_people_are_not() {
        for program in [
            "fn main() { let x = read(0); println!(\"{}\", x); }",
            "for (int i = 0; i < n; i++) { sum += a[i]; }",
            "SELECT a.id, count(*) FROM users_old WHERE a.id = 3 AND t_b.kind_of = 'x';",
            "{\"text\": \"good\", \"label\": {\"a\": [1, 2]}}",
            "<div class=\"row\"><p id=\"x\">Hi</p></div> <br/> <a href=\"x\">y</a>",
        ] {
            assert!(code(program) >= 0.5, "{program}: {}", code(program));
        }
        for prose in [
            "I love it :) <3 (really; it's =great=)",
            "¯\\_(ツ)_/¯ I think it's cool.",
            "The snake_case naming in foo() was fixed, and now the whole thing works as it should",
            "AT&amp;T is down again &gt;&gt; worst service ever; avoid!!",
            "RT @user_name: so #good_day http://t.co/a_b=c (via @x_y)",
            "5/5 stars -- great value [verified purchase]",
        ] {
            assert!(code(prose) < 0.5, "{prose}: {}", code(prose));
        }
    }

    #[test]
    fn another_language_is_as_far_as_can_be() {
        let other = Language { code: Cow::Borrowed("fr"), supported: false };
        assert_eq!(out_of_domain("Très bien", &other, Familiarity::default()), 1.0);
    }

    #[test]
    fn strange_words_and_unknown_ones_count_by_their_share() {
        let english = Language { code: Cow::Borrowed("en"), supported: true };
        let at =
            |strange, unknown| out_of_domain("Fine", &english, Familiarity { strange, unknown });
        assert!((at(0.65, 0.0) - 0.5).abs() < 1e-6);
        assert!((at(0.1, 0.6) - 0.6).abs() < 1e-6);
        assert_eq!(at(0.0, 0.0), 0.0);
    }
}
