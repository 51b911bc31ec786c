//! What holds for any text.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn parts() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "Hi team,",
        "Dear Alex,",
        "Kind regards,",
        "Alex Moore",
        "\n",
        "\n\n",
        "> ",
        "--",
        "Thanks",
        " ",
        "It broke.",
        "Ticket 48213:",
        "[CASE-771]",
        "On 3 June 2024 Alex wrote:",
        "-----Original Message-----",
        "From: a",
        "Subject: b",
        "To: c",
        "P.S. d",
        "Sent from my iPhone",
        "This e-mail is confidential, intended recipient",
        "To unsubscribe",
        "😀",
        "ß",
        "İ",
        "e\u{301}",
        "Mit freundlichen Grüßen",
        "\r\n",
        "(Ref. 1)",
        "ref:_a1:ref",
        "»",
        "\u{a0}",
        "wrote:",
        ":",
        "…",
    ]);
    let part =
        prop_oneof![3 => known.prop_map(str::to_owned), 1 => "\\PC{0,12}", 1 => "(\\PC|\\s){0,8}"];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn ranges_are_in_order_apart_and_between_characters(text in parts()) {
        let cuts = find(&text);
        let mut before = None;
        for cut in &cuts {
            prop_assert!(cut.start < cut.end && cut.end <= text.len(), "{cuts:?}");
            prop_assert!(before.is_none_or(|end| end < cut.start), "{cuts:?}");
            prop_assert!(text.is_char_boundary(cut.start) && text.is_char_boundary(cut.end), "{cuts:?}");
            before = Some(cut.end);
        }
        let left = left(&text);
        prop_assert_eq!(text.contains(says_something), left.contains(says_something));
    }

    #[test]
    fn what_is_left_maps_back_byte_for_byte(text in parts(), from in 0usize..400, length in 1usize..40) {
        let rest = rest(&text);
        let part = Part::new(&text, rest.as_ref());
        let start = part.text.floor_char_boundary(from.min(part.text.len()));
        let end = part.text.ceil_char_boundary((start + length).min(part.text.len()));
        if start < end {
            let unbroken = part.unbroken((start, end));
            prop_assert!(start == unbroken.0 && start < unbroken.1 && unbroken.1 <= end);
            let (first, last) = part.place(unbroken);
            prop_assert_eq!(&text[first..last], &part.text[start..unbroken.1]);
        }
    }

    #[test]
    fn a_text_is_the_same_in_a_frame(words in "[A-Z][a-z]{2,8}( [a-z]{2,8}){4,8}\\.") {
        for framed in [
            format!("Ticket 48213: {words}"),
            format!("Hi team,\n\n{words}\n\nKind regards,\nAlex Moore\n\nSent from my iPhone"),
            format!("{words} Kind regards, Alex Moore"),
            format!("{words}\n\nOn Mon, 3 Jun 2024 at 10:12, Alex wrote:\n> {words}"),
        ] {
            prop_assert_eq!(left(&framed), words.as_str(), "{}", framed);
        }
    }
}

#[test]
fn the_longest_text_of_anything_takes_no_time() {
    for unit in [
        "> ",
        ">\n",
        "a",
        "\n",
        "On 1 wrote:\n",
        " wrote:",
        "From: a\nTo: b\n",
        "Kind regards, ",
        "Thanks,\n",
        "Alex. ",
        "A.\n",
        "email ",
        "Ticket 48213: ",
        "[CASE-1 ",
        "PS x\n\n",
        "This e-mail is confidential. ",
        "Kind ",
        "--\n",
        "a@b\n\n",
        "x\n> ",
        "😀 ",
        ". ",
    ] {
        let text = unit.repeat(80_000 / unit.len());
        let started = Instant::now();
        find(&text);
        assert!(started.elapsed().as_secs() < 5, "{unit:?}: {:?}", started.elapsed());
    }
}
