//! What a text likes and dislikes, term by term.

use serde::{Deserialize, Serialize};

use super::Label;

/// A term that the text judges, or one that the caller asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Aspect {
    /// As the text writes it, or as the caller asked for it.
    pub term: String,
    /// One of the configured names; `None` where the text says nothing of the term.
    pub category: Option<String>,
    /// `None` where the text says nothing of the term.
    pub sentiment: Option<Label>,
    /// The words that judge it, where the reader can tell them.
    pub opinion: Option<String>,
    /// 0 to 1.
    pub confidence: f32,
    /// The first code point of the text that is in it, and the first that is not.
    pub span: Option<(usize, usize)>,
}

/// A kind of aspect: the closed list that every answer, local or an LLM's, keeps to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    pub name: String,
    /// What belongs to it, as an LLM is told; the local model knows it by these words too.
    pub description: String,
    /// More words that the local model knows it by, which cost no tokens. `*`: it takes whatever
    /// fits none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
}

/// One entry for each wanted term, in that order: what was found under the same words, else under
/// a category of that name, else nothing. Several finds for one term become one: `mixed` where
/// they are at odds.
pub fn wanted(terms: &[String], found: &[Aspect]) -> Vec<Aspect> {
    terms.iter().map(|term| one_wanted(term, found)).collect()
}

fn one_wanted(term: &str, found: &[Aspect]) -> Aspect {
    let asked = words(term);
    let tests: [&dyn Fn(&Aspect) -> bool; 3] = [
        &|aspect| words(&aspect.term) == asked,
        &|aspect| {
            let written = words(&aspect.term);
            let within =
                |inner: &[String], outer: &[String]| inner.iter().all(|word| outer.contains(word));
            within(&asked, &written) || within(&written, &asked)
        },
        &|aspect| aspect.category.as_deref().is_some_and(|category| words(category) == asked),
    ];
    for matches in tests {
        let mut matching = found.iter().filter(|aspect| matches(aspect));
        if let Some(first) = matching.next() {
            let whole = matching.fold(first.clone(), together);
            return Aspect { term: term.to_owned(), ..whole };
        }
    }
    Aspect {
        term: term.to_owned(),
        category: None,
        sentiment: None,
        opinion: None,
        confidence: 0.0,
        span: None,
    }
}

/// Two judgements of one thing: the place of the first, the surer sentiment unless they differ.
fn together(first: Aspect, second: &Aspect) -> Aspect {
    let sentiment = match (first.sentiment, second.sentiment) {
        (Some(Label::Neutral), other) => other,
        (own, Some(Label::Neutral)) => own,
        (own, other) if own == other => own,
        _ => Some(Label::Mixed),
    };
    Aspect { sentiment, confidence: first.confidence.min(second.confidence), ..first }
}

/// The words of a term, in lower case.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aspect(term: &str, category: &str, sentiment: Label) -> Aspect {
        Aspect {
            term: term.into(),
            category: Some(category.into()),
            sentiment: Some(sentiment),
            opinion: None,
            confidence: 0.9,
            span: Some((0, term.len())),
        }
    }

    #[test]
    fn each_wanted_term_gets_one_entry_in_its_place() {
        let found = [
            aspect("Shipping", "delivery", Label::Negative),
            aspect("battery life", "product", Label::Positive),
        ];
        let terms = ["battery", "price", "shipping", "delivery"].map(String::from);
        let answer = wanted(&terms, &found);
        let sentiments: Vec<_> =
            answer.iter().map(|aspect| (aspect.term.as_str(), aspect.sentiment)).collect();
        assert_eq!(
            sentiments,
            [
                ("battery", Some(Label::Positive)),
                ("price", None),
                ("shipping", Some(Label::Negative)),
                ("delivery", Some(Label::Negative)),
            ]
        );
        assert_eq!(answer[1].span, None);
    }

    #[test]
    fn finds_at_odds_for_one_term_are_mixed() {
        let found = [
            aspect("courier", "delivery", Label::Negative),
            aspect("tracking", "delivery", Label::Neutral),
            aspect("box", "delivery", Label::Positive),
        ];
        let answer = wanted(&["delivery".to_owned()], &found);
        assert_eq!(answer[0].sentiment, Some(Label::Mixed));
    }
}
