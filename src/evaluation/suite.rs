//! A behaviour suite, in the manner of CheckList (Ribeiro et al. 2020,
//! <https://aclanthology.org/2020.acl-main.442/>): what a reader has to be able to do, kind by kind. Plain values; the
//! form of a file stands in `tests/behaviour/README.md`.

use std::sync::Arc;

use serde::Deserialize;

use super::edits::{Edit, HARMLESS};
use crate::sentiment::Label;

/// By how much a score P(positive) − P(negative) may move against the expected direction.
const TOLERANCE: f64 = 0.1;

/// One thing that a reader has to be able to do.
#[derive(Clone, Debug)]
pub struct Kind {
    pub name: String,
    pub about: String,
    pub cases: Vec<Case>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub text: Arc<str>,
    pub expected: Expected,
    /// Whether the text means the opposite of its words; `None` where the suite does not say.
    pub sarcastic: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Any of these labels, one or two.
    Labels(Vec<Label>),
    /// The edited text gets the same label.
    Unchanged(Arc<str>),
    /// The edited text gets no lower score.
    NotLower(Arc<str>),
    /// The edited text gets no higher score.
    NotHigher(Arc<str>),
}

/// What a reader says of one text.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// In the order of [`Label::ALL`].
    pub scores: [f64; 4],
    pub is_escalated: bool,
}

/// The cases of a kind, or of several, by how they came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub cases: usize,
    pub right: usize,
    /// A text of the case is passed on to an LLM.
    pub escalated: usize,
    /// The failures that nobody hears of.
    pub wrong_not_escalated: usize,
    /// Either the text or its edited form is escalated, and the other is not.
    pub rerouted: usize,
}

/// How a reader takes texts that mean the opposite of their words, and sincere ones in the same words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sarcasm {
    pub sarcastic: usize,
    /// Sarcastic ones that got an expected label or were escalated.
    pub caught: usize,
    pub sincere: usize,
    pub sincere_right: usize,
    pub sincere_escalated: usize,
}

impl Said {
    pub fn label(&self) -> Label {
        let best = Label::ALL
            .into_iter()
            .max_by(|a, b| self.scores[*a as usize].total_cmp(&self.scores[*b as usize]));
        best.expect("there are labels")
    }

    fn score(&self) -> f64 {
        self.scores[Label::Positive as usize] - self.scores[Label::Negative as usize]
    }
}

impl Case {
    /// The text as it is after the edit; `None` where there is none.
    pub fn edited(&self) -> Option<&Arc<str>> {
        match &self.expected {
            Expected::Labels(_) => None,
            Expected::Unchanged(edited)
            | Expected::NotLower(edited)
            | Expected::NotHigher(edited) => Some(edited),
        }
    }

    fn is_right(&self, said: Said, of_edited: Option<Said>) -> bool {
        match (&self.expected, of_edited) {
            (Expected::Labels(labels), _) => labels.contains(&said.label()),
            (Expected::Unchanged(_), Some(after)) => said.label() == after.label(),
            (Expected::NotLower(_), Some(after)) => after.score() >= said.score() - TOLERANCE,
            (Expected::NotHigher(_), Some(after)) => after.score() <= said.score() + TOLERANCE,
            (_, None) => false,
        }
    }
}

impl Kind {
    /// Reads a file of a suite.
    ///
    /// # Errors
    /// The first line that is not as the suite's README says, with what is wrong with it.
    pub fn parse(name: &str, file: &str) -> Result<Kind, String> {
        let at_line = |number: usize, fault: String| format!("line {}: {fault}", number + 1);
        let mut lines = file.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (number, head) = lines.next().ok_or("the file is empty")?;
        let head: Head = serde_json::from_str(head).map_err(|_| {
            at_line(
                number,
                "expected an object that says what the kind is about: {\"about\": \"…\"}".into(),
            )
        })?;
        let cases = lines
            .map(|(number, line)| {
                let stated: Stated = serde_json::from_str(line)
                    .map_err(|error| at_line(number, format!("is not a case: {error}")))?;
                stated.into_case().map_err(|fault| at_line(number, fault))
            })
            .collect::<Result<Vec<Case>, String>>()?;
        if cases.is_empty() {
            return Err("the file has no case after its first line".into());
        }
        Ok(Kind { name: name.to_owned(), about: head.about, cases })
    }

    /// For each harmless edit the texts that it changes, which must be read as before.
    pub fn of_edits(texts: &[Arc<str>]) -> Vec<Kind> {
        let of = |edit: &Edit| {
            let unchanged = |text: &Arc<str>| {
                let edited = edit.of(text)?;
                let expected = Expected::Unchanged(edited.into());
                Some(Case { text: Arc::clone(text), expected, sarcastic: None })
            };
            Kind {
                name: edit.name.to_owned(),
                about: "An edit that changes nothing of what a text says.".to_owned(),
                cases: texts.iter().filter_map(unchanged).collect(),
            }
        };
        HARMLESS.iter().map(of).filter(|kind| !kind.cases.is_empty()).collect()
    }

    /// How a reader did; `said` is what it said of a text.
    pub fn tally(&self, said: &impl Fn(&str) -> Said) -> (Tally, Sarcasm) {
        let (mut tally, mut sarcasm) = (Tally::default(), Sarcasm::default());
        for case in &self.cases {
            let before = said(&case.text);
            let after = case.edited().map(|edited| said(edited));
            let is_right = case.is_right(before, after);
            let is_escalated = before.is_escalated || after.is_some_and(|said| said.is_escalated);
            tally.cases += 1;
            tally.right += usize::from(is_right);
            tally.escalated += usize::from(is_escalated);
            tally.wrong_not_escalated += usize::from(!is_right && !is_escalated);
            let is_rerouted = after.is_some_and(|said| said.is_escalated != before.is_escalated);
            tally.rerouted += usize::from(is_rerouted);
            match case.sarcastic {
                Some(true) => {
                    sarcasm.sarcastic += 1;
                    sarcasm.caught += usize::from(is_right || is_escalated);
                }
                Some(false) => {
                    sarcasm.sincere += 1;
                    sarcasm.sincere_right += usize::from(is_right);
                    sarcasm.sincere_escalated += usize::from(is_escalated);
                }
                None => {}
            }
        }
        (tally, sarcasm)
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Tally>>(all: I) -> Tally {
        all.fold(Tally::default(), |sum, one| Tally {
            cases: sum.cases + one.cases,
            right: sum.right + one.right,
            escalated: sum.escalated + one.escalated,
            wrong_not_escalated: sum.wrong_not_escalated + one.wrong_not_escalated,
            rerouted: sum.rerouted + one.rerouted,
        })
    }
}

impl std::iter::Sum for Sarcasm {
    fn sum<I: Iterator<Item = Sarcasm>>(all: I) -> Sarcasm {
        all.fold(Sarcasm::default(), |sum, one| Sarcasm {
            sarcastic: sum.sarcastic + one.sarcastic,
            caught: sum.caught + one.caught,
            sincere: sum.sincere + one.sincere,
            sincere_right: sum.sincere_right + one.sincere_right,
            sincere_escalated: sum.sincere_escalated + one.sincere_escalated,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    about: String,
}

/// A case as a line states it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    text: String,
    labels: Option<Vec<String>>,
    edited: Option<String>,
    expect: Option<String>,
    sarcastic: Option<bool>,
    /// The number that a sarcastic text shares with its sincere twin: for people.
    #[serde(rename = "pair")]
    _pair: Option<u32>,
}

impl Stated {
    fn into_case(self) -> Result<Case, String> {
        if self.text.trim().is_empty() {
            return Err("`text` is blank".into());
        }
        let expected = match (self.labels, self.edited, self.expect.as_deref()) {
            (Some(labels), None, None) => Expected::Labels(acceptable(&labels)?),
            (None, Some(edited), _) if edited == self.text => {
                return Err("`edited` is the same as `text`".into());
            }
            (None, Some(edited), Some("unchanged")) => Expected::Unchanged(edited.into()),
            (None, Some(edited), Some("not_lower")) => Expected::NotLower(edited.into()),
            (None, Some(edited), Some("not_higher")) => Expected::NotHigher(edited.into()),
            _ => {
                return Err("expected `labels`, or `edited` with `expect`: \
                            unchanged, not_lower or not_higher"
                    .into());
            }
        };
        Ok(Case { text: self.text.into(), expected, sarcastic: self.sarcastic })
    }
}

fn acceptable(names: &[String]) -> Result<Vec<Label>, String> {
    let expected = Label::ALL.map(Label::name).join(", ");
    let labels = names
        .iter()
        .map(|name| {
            Label::named(name)
                .ok_or_else(|| format!("`labels` has \"{name}\"; expected {expected}"))
        })
        .collect::<Result<Vec<Label>, String>>()?;
    match labels.len() {
        1 | 2 => {}
        other => return Err(format!("`labels` has {other} labels; expected 1 or 2")),
    }
    if labels.contains(&Label::Positive) && labels.contains(&Label::Negative) {
        return Err("`labels` accepts both positive and negative".into());
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "{\"about\": \"A kind.\"}\n";

    fn said(label: Label, is_escalated: bool) -> Said {
        let mut scores = [0.1; 4];
        scores[label as usize] = 0.7;
        Said { scores, is_escalated }
    }

    #[test]
    fn cases_are_right_by_their_own_expectation() {
        let file = HEAD.to_owned()
            + r#"{"text": "fine", "labels": ["positive", "neutral"]}
{"text": "bad", "labels": ["positive"], "sarcastic": false, "pair": 1}
{"text": "fine", "edited": "fine!", "expect": "unchanged"}
{"text": "fine", "edited": "bad", "expect": "not_lower"}
{"text": "fine", "edited": "bad", "expect": "not_higher"}
{"text": "murky", "labels": ["negative"], "sarcastic": true, "pair": 1}"#;
        let kind = Kind::parse("kind", &file).unwrap();
        let (tally, sarcasm) = kind.tally(&|text| match text {
            "bad" => said(Label::Negative, false),
            "murky" => said(Label::Neutral, true),
            _ => said(Label::Positive, false),
        });
        assert_eq!(
            tally,
            Tally { cases: 6, right: 3, escalated: 1, wrong_not_escalated: 2, rerouted: 0 },
            "right are the first, the third and the fifth; the last is escalated"
        );
        assert_eq!(sarcasm, Sarcasm { sarcastic: 1, caught: 1, sincere: 1, ..Sarcasm::default() });
    }

    #[test]
    fn an_edit_is_a_kind_whose_texts_keep_their_label_and_their_route() {
        let kinds = Kind::of_edits(&["It works.".into(), "fine".into()]);
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        assert!(!names.contains(&"curly_quotes"), "neither text has a quote: {names:?}");
        let ticket = kinds.iter().find(|kind| kind.name == "ticket_number").unwrap();
        let (tally, _) = ticket.tally(&|text| match text {
            "Ticket 48213: It works." => said(Label::Neutral, true),
            _ => said(Label::Positive, false),
        });
        let expected =
            Tally { cases: 2, right: 1, escalated: 1, wrong_not_escalated: 0, rerouted: 1 };
        assert_eq!(tally, expected);
    }

    #[test]
    fn a_case_that_cannot_fail_or_contradicts_itself_is_refused() {
        for (line, fault) in [
            (r#"{"text": " ", "labels": ["neutral"]}"#, "line 2: `text` is blank"),
            (r#"{"text": "a", "labels": []}"#, "0 labels"),
            (r#"{"text": "a", "labels": ["positive", "neutral", "mixed"]}"#, "3 labels"),
            (r#"{"text": "a", "labels": ["positive", "negative"]}"#, "both positive and negative"),
            (r#"{"text": "a", "labels": ["good"]}"#, "\"good\"; expected negative"),
            (r#"{"text": "a", "edited": "a", "expect": "unchanged"}"#, "same as `text`"),
            (r#"{"text": "a", "edited": "b"}"#, "expected `labels`"),
            (r#"{"text": "a", "edited": "b", "expect": "better"}"#, "expected `labels`"),
            (r#"{"text": "a", "lables": ["neutral"]}"#, "unknown field"),
        ] {
            let error = Kind::parse("kind", &format!("{HEAD}{line}")).unwrap_err();
            assert!(error.contains(fault), "{line}: {error}");
        }
        assert!(Kind::parse("kind", "").unwrap_err().contains("empty"));
        assert!(Kind::parse("kind", HEAD).unwrap_err().contains("no case"));
        assert!(Kind::parse("kind", "{\"text\": \"a\"}").unwrap_err().contains("about"));
    }
}
