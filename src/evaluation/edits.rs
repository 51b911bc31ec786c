//! Edits that change nothing of what a text says. A reader that is to be trusted says the same of both.

/// An edit, and what it is called.
pub struct Edit {
    pub name: &'static str,
    apply: fn(&str) -> String,
}

/// Ten of them, such as a form, a mail program or a hasty finger makes.
pub const HARMLESS: [Edit; 10] = [
    Edit { name: "lower_case", apply: |text| text.to_lowercase() },
    Edit { name: "blanks", apply: |text| format!(" {}  ", text.replace(' ', "  ")) },
    Edit { name: "curly_quotes", apply: curly_quotes },
    Edit { name: "no_full_stop", apply: |text| text.trim_end().trim_end_matches('.').to_owned() },
    Edit { name: "greeting", apply: |text| format!("Dear Sir or Madam,\n\n{text}") },
    Edit { name: "sign_off", apply: |text| format!("{text}\n\nKind regards,\nAlex Moore") },
    Edit { name: "footer", apply: |text| format!("{text}\n\n{FOOTER}") },
    Edit { name: "from_my_phone", apply: |text| format!("{text}\n\nSent from my phone") },
    Edit { name: "ticket_number", apply: |text| format!("Ticket 48213: {text}") },
    Edit { name: "swapped_letters", apply: swapped_letters },
];

const FOOTER: &str = "This e-mail and its attachments are confidential and meant for the addressee \
                      alone. If you have received it in error, please delete it and tell the sender.";

/// The fewest letters of a word in which two are swapped.
const LONG_WORD: usize = 4;

impl Edit {
    /// The edited text; `None` where there is nothing to edit.
    pub fn of(&self, text: &str) -> Option<String> {
        Some((self.apply)(text)).filter(|edited| edited != text)
    }
}

fn curly_quotes(text: &str) -> String {
    let mut before = ' ';
    let curl = |c: char| {
        let opens = before.is_whitespace() || matches!(before, '(' | '[');
        before = c;
        match c {
            '"' if opens => '\u{201c}',
            '"' => '\u{201d}',
            '\'' if opens => '\u{2018}',
            '\'' => '\u{2019}',
            other => other,
        }
    };
    text.chars().map(curl).collect()
}

/// One of the longer words with two neighbouring letters inside it swapped: which ones follows from the
/// text, so that each run edits alike.
fn swapped_letters(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (1..chars.len().saturating_sub(1))
        .filter(|at| inside_long_word(&chars, *at) && chars[*at] != chars[at + 1])
        .collect();
    let digest = blake3::hash(text.as_bytes());
    let number = u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("it has 32 bytes"));
    let mut swapped = chars;
    if let Some(at) = (number as usize).checked_rem(places.len()) {
        swapped.swap(places[at], places[at] + 1);
    }
    swapped.into_iter().collect()
}

/// Whether this letter and the next lie in a long word, and neither is its first letter.
fn inside_long_word(chars: &[char], at: usize) -> bool {
    let is_letter = |at: usize| chars.get(at).is_some_and(|c| c.is_alphabetic());
    let start = (0..=at).rev().take_while(|at| is_letter(*at)).last();
    let Some(start) = start.filter(|start| *start < at && is_letter(at + 1)) else { return false };
    (start..start + LONG_WORD).all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(name: &str, text: &str) -> Option<String> {
        HARMLESS.iter().find(|edit| edit.name == name).expect("there is such an edit").of(text)
    }

    #[test]
    fn each_edit_does_what_its_name_says() {
        for (name, text, expected) in [
            ("lower_case", "I LOVE it", "i love it"),
            ("blanks", "I love it", " I  love  it  "),
            ("curly_quotes", "It's \"fine\"", "It\u{2019}s \u{201c}fine\u{201d}"),
            ("no_full_stop", "I love it. ", "I love it"),
            ("ticket_number", "I love it", "Ticket 48213: I love it"),
        ] {
            assert_eq!(edited(name, text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_text_without_anything_to_edit_has_no_edited_form() {
        for (name, text) in [
            ("lower_case", "fine"),
            ("curly_quotes", "fine"),
            ("no_full_stop", "fine"),
            ("swapped_letters", "ok 2012 a1b2 aaaa"),
        ] {
            assert_eq!(edited(name, text), None, "{name}");
        }
    }

    #[test]
    fn two_letters_inside_a_long_word_are_swapped_and_nothing_else() {
        for text in ["The delivery was late", "Ich möchte schöne Schuhe", "ok, that is it"] {
            let swapped = edited("swapped_letters", text).expect("it has a long word");
            assert_eq!(swapped, edited("swapped_letters", text).expect("it has a long word"));
            let pairs: Vec<(char, char)> = text.chars().zip(swapped.chars()).collect();
            let changed: Vec<usize> =
                (0..pairs.len()).filter(|at| pairs[*at].0 != pairs[*at].1).collect();
            let [first, second] = changed[..] else { panic!("{text} became {swapped}") };
            assert_eq!(second, first + 1);
            assert_eq!((pairs[first].0, pairs[first].1), (pairs[second].1, pairs[second].0));
            assert!(pairs[first - 1].0.is_alphabetic(), "a first letter stays: {swapped}");
        }
    }
}
