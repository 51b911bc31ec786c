//! The page: what stands where, and in which words. A reader of sentiment, not of Undertone.

use maud::{Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::opinions::{named, opinions, range};
use super::tally::{Readers, Tally};
use super::{About, End};
use crate::cli::page::{Bar, Figure, Interval, Page, Tone, bars, count, figures, percent, section};
use crate::cli::share::Share;
use crate::pricing::Usd;
use crate::sentiment::{Label, Task};

/// The order in which the labels are listed.
const LABELS: [Label; 4] = [Label::Positive, Label::Neutral, Label::Mixed, Label::Negative];

/// The report of a tally, as it is at a time.
pub fn page(tally: &Tally, about: &About, end: End, made: OffsetDateTime) -> Markup {
    let has = |task| about.tasks.contains(&task) && tally.read() > 0;
    let sections = [
        has(Task::Sentiment).then(|| sentiment(tally)),
        has(Task::Aspects).then(|| aspects(tally)),
        has(Task::Emotions).then(|| emotions(tally)),
        Some(reading(tally, about, end)),
        (tally.readers.nobody > 0).then(|| faults(tally)),
        missing(&about.tasks),
    ];
    let body = html! {
        @if end.is_interrupted {
            p.notice {
                strong { "So far." } " The run was interrupted: this page is of the first "
                (texts(tally.rows)) ". The same command goes on, and writes it anew."
            }
        }
        (summary(tally, about))
        @for section in sections.into_iter().flatten() { (section) }
    };
    let title = format!("Sentiment report: {}", about.source);
    Page { title: &title, about: made_of(about, made), body, notes: notes(tally, about) }.render()
}

fn made_of(about: &About, made: OffsetDateTime) -> Markup {
    let tasks: Vec<&str> = about.tasks.iter().map(|task| task.name()).collect();
    let day = made.format(format_description!(
        "[day padding:none] [month repr:long] [year], [hour]:[minute] UTC"
    ));
    let stamp = made.replace_nanosecond(0).unwrap_or(made).format(&Rfc3339);
    html! {
        time datetime=(stamp.unwrap_or_default()) { (day.unwrap_or_default()) }
        " · " (tasks.join(", ")) " · read by " (about.local_model)
        @if !about.llms.is_empty() { ", in doubt by " (about.llms.join(", else ")) }
    }
}

fn summary(tally: &Tally, about: &About) -> Markup {
    let has = |task| about.tasks.contains(&task) && tally.read() > 0;
    let bad = tally.readers.nobody;
    let mut shown = vec![Figure {
        name: "Texts",
        value: count(tally.rows),
        note: if bad > 0 { format!("{} not analysed", count(bad)) } else { String::new() },
    }];
    if has(Task::Sentiment) {
        shown.push(share("Positive", tally.share(Label::Positive)));
        shown.push(share("Negative", tally.share(Label::Negative)));
        if let Some((mean, interval)) = tally.score.value() {
            let note = interval.map_or(String::new(), |Interval { low, high }| {
                format!("{} to {}", signed(low.max(-1.0)), signed(high.min(1.0)))
            });
            shown.push(Figure { name: "Mean sentiment", value: signed(mean), note });
        }
        shown.push(share("Sarcastic", tally.sarcasm()));
    }
    shown.push(Figure {
        name: "Cost",
        value: dollars(tally.cost),
        note: match tally.unknown_costs {
            0 => String::new(),
            unknown => format!("without {}: not known yet", texts(unknown)),
        },
    });
    html! {
        (figures(&shown))
        (named("Liked most", &tally.terms.liked()))
        (named("Disliked most", &tally.terms.disliked()))
    }
}

fn sentiment(tally: &Tally) -> Markup {
    let rows = LABELS.map(|label| {
        let share = tally.share(label);
        bar(label.name(), Tone::Of(label), share)
    });
    let sarcasm = tally.sarcasm();
    section(
        "Sentiment",
        &html! {
            (bars("Texts by sentiment; the thin lines show how far a share may be off.", "Sentiment",
                  &["Texts", "Share", "95 %"], &rows))
            @if let Some((mean, _)) = tally.score.value() {
                p {
                    "On a scale from −1 (all negative) to +1 (all positive) the mean is "
                    strong { (signed(mean)) } ". "
                    "Probably meant as the opposite of what they say: " (texts(sarcasm.part))
                    " (" (percent(sarcasm.value())) ")."
                }
            }
        },
    )
}

fn aspects(tally: &Tally) -> Markup {
    let judging = tally.judging();
    let nothing = html! { p { "No text praises or blames anything in particular." } };
    html! {
        (section("Likes and dislikes by category", &html! {
            @if tally.categories.is_empty() { (nothing) } @else {
                p {
                    (count(judging.part)) " of " (texts(judging.whole))
                    " praise or blame something in particular."
                }
                (opinions(&tally.categories))
            }
        }))
        @if !tally.terms.is_empty() {
            (section("Likes and dislikes in the users’ words", &opinions(&tally.terms)))
        }
    }
}

fn emotions(tally: &Tally) -> Markup {
    let found = tally.emotions();
    let rows: Vec<Bar<'_>> =
        found.iter().map(|(emotion, share)| bar(emotion.name(), Tone::Series(0), *share)).collect();
    let caption = "Texts by the emotion that shows most in them.";
    section("Emotions", &bars(caption, "Emotion", &["Texts", "Share", "95 %"], &rows))
}

fn reading(tally: &Tally, about: &About, end: End) -> Markup {
    let Readers { local, in_doubt, llm, cache, nobody } = tally.readers;
    let readers = [
        ("the local model", local),
        ("the local model, in doubt", in_doubt),
        ("an LLM", llm),
        ("an LLM, asked before", cache),
        ("nobody", nobody),
    ];
    let rows: Vec<Bar<'_>> = readers
        .into_iter()
        .filter(|(_, read)| *read > 0)
        .map(|(name, read)| {
            let share = Share::of(read, tally.rows);
            let values = vec![count(read), percent(share.value())];
            Bar { name, tone: Tone::Series(0), share: share.value(), interval: None, values }
        })
        .collect();
    section(
        "How the texts were read",
        &html! {
            (bars("Texts by who read them.", "Reader", &["Texts", "Share"], &rows))
            @if in_doubt > 0 { p { (doubt(in_doubt, about, end)) } }
            p {
                @if tally.cost == Usd::ZERO && tally.unknown_costs == 0 { "Nothing was paid." }
                @else { "All calls together cost " (dollars(tally.cost)) "." }
                @if tally.unknown_costs > 0 {
                    " What " (texts(tally.unknown_costs)) " cost is not known yet: see "
                    code { "undertone costs open" } "."
                }
            }
        },
    )
}

/// Why texts kept a local verdict that deserved better.
fn doubt(in_doubt: u64, about: &About, end: End) -> String {
    let they = format!(
        "{} deserve a second reading: sarcasm, praise and blame at once, another language, or plain \
         ambiguity.",
        texts(in_doubt)
    );
    if about.llms.is_empty() {
        return format!("{they} They kept the local verdict, since no LLM has a key.");
    }
    match (end.over_budget, about.ceiling) {
        (over @ 1.., Some(ceiling)) => format!(
            "{they} They kept the local verdict: for {} of this run the next call did not fit the \
             budget of ${ceiling} (--max-cost-usd).",
            texts(over)
        ),
        _ => format!("{they} They kept the local verdict: no LLM gave a usable answer."),
    }
}

fn faults(tally: &Tally) -> Markup {
    let more = tally.readers.nobody.saturating_sub(tally.faults.len() as u64);
    section(
        "What was not analysed",
        &html! {
            ul { @for fault in &tally.faults { li { (fault) } } }
            @if more > 0 {
                p { "And " (texts(more)) " more; the column " code { "undertone_error" } " has all." }
            }
        },
    )
}

/// What could have been asked as well, and how.
fn missing(tasks: &[Task]) -> Option<Markup> {
    let offers: Vec<&str> = Task::ALL
        .into_iter()
        .filter(|task| !tasks.contains(task))
        .map(|task| match task {
            Task::Sentiment => "how many texts are positive, negative, neutral, mixed or sarcastic",
            Task::Aspects => "what people like and dislike, with their own words",
            Task::Emotions => "which emotions show",
        })
        .collect();
    (!offers.is_empty()).then(|| {
        section(
            "What was not asked",
            &html! {
                p {
                    "This run did not ask " (offers.join(", nor ")) ". Run it with "
                    code { "--task sentiment,aspects,emotions" } " to see that here."
                }
            },
        )
    })
}

fn notes(tally: &Tally, about: &About) -> Markup {
    let missed = tally.terms.most_missed().max(tally.categories.most_missed());
    html! {
        p {
            "Ranges are 95 % intervals (Wilson’s for shares): where the number would lie had we asked "
            "everybody of whom these texts are a sample. They say nothing of readings that are wrong."
        }
        @if about.tasks.contains(&Task::Aspects) {
            p {
                "A text counts once for each thing that it names, however often it does; singular and "
                "plural count together, under the commonest spelling. The lists are sorted by how "
                "many more texts like a thing than dislike it, or the other way round. What fits no "
                "category is among the words alone. "
                @if about.tasks.contains(&Task::Sentiment) {
                    "Praise in a text that probably means the opposite is not counted. "
                }
                @if missed > 0 {
                    "There were more different words than are kept: a number of the lists may be too "
                    "low, by " (count(missed)) " at most."
                }
            }
            p { "Quotations are sentences of the file. Pass this page on as you would the file." }
        }
        p { "Made by Undertone " (env!("CARGO_PKG_VERSION")) "." }
    }
}

fn bar(name: &str, tone: Tone, share: Share) -> Bar<'_> {
    let interval = share.interval();
    let values = vec![count(share.part), percent(share.value()), range(interval)];
    Bar { name, tone, share: share.value(), interval: Some(interval), values }
}

fn share(name: &str, share: Share) -> Figure<'_> {
    Figure { name, value: percent(share.value()), note: range(share.interval()) }
}

fn texts(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "text" } else { "texts" })
}

/// With a sign, and a minus as wide as the plus.
fn signed(value: f64) -> String {
    match format!("{value:+.2}").as_str() {
        "-0.00" => "+0.00".to_owned(),
        written => written.replace('-', "−"),
    }
}

/// To the cent from a dollar on, below to a hundredth of a cent.
fn dollars(amount: Usd) -> String {
    let value = amount.pico() as f64 / 1e12;
    match value {
        0.0 => "$0".to_owned(),
        small if small < 0.000_1 => "<$0.0001".to_owned(),
        cents if cents < 1.0 => format!("${cents:.4}"),
        more => format!("${more:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::super::row::Row;
    use super::*;

    fn about(tasks: &[Task]) -> About {
        About {
            source: "<b>reviews.csv".into(),
            tasks: tasks.to_vec(),
            local_model: "undertone-mini".into(),
            llms: Vec::new(),
            ceiling: None,
        }
    }

    fn shown(rows: &[(&str, Value)], about: &About, end: End) -> String {
        let mut tally = Tally::default();
        for (text, answer) in rows {
            tally.add(text, Row::of(answer.as_object().expect("an object")));
        }
        page(&tally, about, end, datetime!(2026-11-26 09:05:00 UTC)).into_string()
    }

    #[test]
    fn a_page_says_what_was_counted_and_escapes_what_was_written() {
        let row = json!({
            "undertone_label": "negative",
            "undertone_scores": {"negative": 0.9, "neutral": 0.05, "positive": 0.03, "mixed": 0.02},
            "undertone_sarcasm": 0.1, "undertone_route": "local", "undertone_reasons": ["sarcasm"],
            "undertone_cost_usd": "0.0125",
            "undertone_aspects": [{"term": "<i>", "category": "a & b", "sentiment": "negative",
                "confidence": 0.8, "span": {"start": 4, "end": 7}}],
        });
        let bad =
            json!({"undertone_cost_usd": null, "undertone_error": "line 3: the text is blank"});
        let text = "The <i> \"broke\" & died.";
        let rows = [(text, row.clone()), (text, row), ("", bad)];
        let page = shown(&rows, &about(&[Task::Sentiment, Task::Aspects]), End::default());
        for wanted in [
            "<title>Sentiment report: &lt;b&gt;reviews.csv</title>",
            "<time datetime=\"2026-11-26T09:05:00Z\">26 November 2026, 09:05 UTC</time>",
            "sentiment, aspects · read by undertone-mini",
            "<dt>Negative</dt><dd><span class=\"value\">100 %</span>",
            "<span class=\"value\">−0.87</span>",
            "Disliked most: <strong><bdi>&lt;i&gt;</bdi></strong>",
            "<h4><bdi>a &amp; b</bdi></h4>",
            "Disliked by 2 of 2 texts, 100 % (34 to 100 %)",
            "The <mark>&lt;i&gt;</mark> &quot;broke&quot; &amp; died.</q> <span class=\"source\">row 1",
            "<li>line 3: the text is blank</li>",
            "$0.0250",
            "without 1 text: not known yet",
            "since no LLM has a key",
            "did not ask which emotions show",
        ] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        assert!(!page.contains("So far."), "{page}");
    }

    #[test]
    fn a_page_without_rows_or_with_some_only_says_so() {
        let tasks = about(&Task::ALL);
        let empty = shown(&[], &tasks, End { is_interrupted: true, over_budget: 0 });
        for wanted in ["So far.", "the first 0 texts", "Nothing was paid."] {
            assert!(empty.contains(wanted), "{wanted}: {empty}");
        }
        assert!(!empty.contains("was not asked") && !empty.contains("NaN"), "{empty}");
        let doubted = json!({"undertone_route": "local", "undertone_reasons": ["ambiguous"],
                             "undertone_cost_usd": "0"});
        let priced = About {
            llms: vec!["gpt-4o".into(), "claude".into()],
            ceiling: Some(Usd::from_pico(20_000_000_000)),
            ..tasks
        };
        for (over_budget, wanted) in
            [(1, "did not fit the budget of $0.02"), (0, "no LLM gave a usable answer")]
        {
            let end = End { is_interrupted: false, over_budget };
            let page = shown(&[("Hm.", doubted.clone())], &priced, end);
            assert!(page.contains(wanted), "{wanted}: {page}");
            assert!(page.contains("in doubt by gpt-4o, else claude"), "{page}");
        }
    }

    #[test]
    fn amounts_are_rounded_for_a_reader() {
        for (pico, written) in
            [(0, "$0"), (1, "<$0.0001"), (12_340_000_000, "$0.0123"), (1_239_000_000_000, "$1.24")]
        {
            assert_eq!(dollars(Usd::from_pico(pico)), written);
        }
        for (value, written) in [(0.251, "+0.25"), (-0.001, "+0.00"), (-0.5, "−0.50")] {
            assert_eq!(signed(value), written);
        }
    }
}
