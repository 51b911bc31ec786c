//! What a term is, of all that a reader may take for one: words, without the emoji, tags, marks and line
//! breaks around them.

use unicode_normalization::char::is_combining_mark;

/// The most bytes that a tag of HTML is looked for before and after a term.
const TAG_BYTES: usize = 200;

/// The part of a term's bytes that names something: of what line breaks, emoji and markup cut it into, the first
/// piece that holds a word, without what stands around its words. `None` where there is no word: an emoji is no term, nor
/// is `br`.
pub fn tidied(text: &str, (start, end): (usize, usize)) -> Option<(usize, usize)> {
    let markup = markup(text, start, end);
    let breaks = |at: usize, c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}')
            || is_pictograph(c)
            || markup.iter().any(|(first, last)| (*first..*last).contains(&at))
    };
    let mut from = start;
    for (at, c) in text[start..end].char_indices().map(|(at, c)| (start + at, c)) {
        if breaks(at, c) {
            if let Some(piece) = words_of(text, from, at) {
                return Some(piece);
            }
            from = at + c.len_utf8();
        }
    }
    words_of(text, from, end)
}

/// From the first letter or digit to the last, with what belongs to that: marks upon it, a bracket that closes
/// one before it, the signs of "C++" and "C#".
fn words_of(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let piece = &text[start..end];
    let first = start + piece.find(char::is_alphanumeric)?;
    let (last, letter) = piece.char_indices().rfind(|(_, c)| c.is_alphanumeric())?;
    let mut until = start + last + letter.len_utf8();
    let rest = &text[until..end];
    let marks = rest.len() - rest.trim_start_matches(is_combining_mark).len();
    until += marks;
    let rest = &text[until..end];
    let plus = rest.len() - rest.trim_start_matches('+').len();
    until += plus;
    let rest = &text[until..end];
    let is_one_letter = text[first..until].chars().count() == 1;
    for (opening, closing) in [('(', ')'), ('[', ']')] {
        if rest.starts_with(closing) && text[first..until].contains(opening) {
            return Some((first, until + closing.len_utf8()));
        }
    }
    Some((first, if is_one_letter && rest.starts_with('#') { until + 1 } else { until }))
}

/// The tags and character references of HTML that reach into these bytes.
fn markup(text: &str, start: usize, end: usize) -> Vec<(usize, usize)> {
    let first = text.floor_char_boundary(start.saturating_sub(TAG_BYTES));
    let last = text.ceil_char_boundary((end + TAG_BYTES).min(text.len()));
    let around = &text[first..last];
    let mut found = Vec::new();
    for (at, _) in around.match_indices(['<', '&']) {
        let rest = &around[at + 1..];
        let closing = if around[at..].starts_with('<') { '>' } else { ';' };
        let Some(length) = rest.find(closing) else { continue };
        let inside = &rest[..length];
        let is_markup = match closing {
            '>' => {
                let name = inside.strip_prefix(['/', '!']).unwrap_or(inside);
                name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-')
                    && !inside.contains('<')
            }
            _ => {
                (2..=10).contains(&length)
                    && inside.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
            }
        };
        let (from, to) = (first + at, first + at + 1 + length + 1);
        if is_markup && from < end && to > start {
            found.push((from, to));
        }
    }
    found
}

/// Arrows, shapes, dingbats and emoji. Not ©, ® and ™, which stand on names.
fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{2190}'..='\u{21FF}'
        | '\u{2300}'..='\u{23FF}'
        | '\u{2500}'..='\u{27BF}'
        | '\u{2900}'..='\u{297F}'
        | '\u{2B00}'..='\u{2BFF}'
        | '\u{1F000}'..='\u{1FAFF}'
        | '\u{E0020}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_tags_marks_and_line_breaks_are_no_part_of_a_term_nor_one_themselves() {
        for (text, term, expected) in [
            ("The battery 🔋 lasts.", "battery 🔋", "battery"),
            ("🔋battery lasts", "🔋battery", "battery"),
            ("😍", "😍", ""),
            ("I ❤️ it", "❤️", ""),
            ("👩‍👩‍👧 family room 👍🏽", "👩‍👩‍👧 family room 👍🏽", "family room"),
            ("1️⃣ screen", "️⃣ screen", "screen"),
            ("Pros: screen\nCons: price", "screen\nCons", "screen"),
            ("Nice\r\n.\napp", ".\napp", "app"),
            ("good.<br>Bad sound", "br", ""),
            ("good.<br />Bad sound", "br /", ""),
            ("screen<br/>sound", "screen<br/>sound", "screen"),
            ("a <b class=\"x\">strap</b> of", "class", ""),
            ("a <b class=\"x\">strap</b> of", "strap</b", "strap"),
            ("the&nbsp;case", "nbsp", ""),
            ("the&nbsp;case", "&nbsp;case", "case"),
            ("x < screen and y > z", "screen", "screen"),
            ("Love my #battery", "#battery", "battery"),
            ("@support never answers", "@support", "support"),
            ("\"the soup\", they say", "\"the soup\",", "the soup"),
            ("battery (spare) died", "battery (spare)", "battery (spare)"),
            ("(battery) died", "(battery)", "battery"),
            ("C++ and C# courses", "C++", "C++"),
            ("C++ and C# courses", "C#", "C#"),
            ("Disney+ app", "Disney+", "Disney+"),
            ("the driver's van", "driver's van", "driver's van"),
            ("Windows™ laptop.", "Windows™ laptop.", "Windows™ laptop"),
            ("ที่ชาร์จดี", "ที่", "ที่"),
            ("cafe\u{301}.", "cafe\u{301}.", "cafe\u{301}"),
            ("...", "...", ""),
        ] {
            let start = text.find(term).expect(text);
            let found = tidied(text, (start, start + term.len()));
            assert_eq!(
                found.map_or("", |(start, end)| &text[start..end]),
                expected,
                "{text}: {term}"
            );
        }
    }
}
