//! What texts judge, term by term, in a bounded room.
//!
//! The terms are kept by Space-Saving (Metwally, Agrawal and El Abbadi 2005,
//! <https://doi.org/10.1007/978-3-540-30570-5_27>): a new term takes the place of the one with the
//! fewest texts, and notes how many of its own may have gone by uncounted. Of N counts in m places
//! that is at most N ÷ m, and whatever has more is certain to be among the terms. What is shown is
//! what was counted, so a number can be too low by as much, and never too high.

use std::collections::{BTreeSet, HashMap};

use rust_stemmers::{Algorithm, Stemmer};

use super::quote::{Quote, Quotes};
use super::row::Mention;
use crate::sentiment::{Label, words};

/// Terms that are kept, with all their quotations and ways of writing 15 MB at the very most.
const PLACES: usize = 2_000;

/// Ways of writing that are counted for a term; further ones are not.
const FORMS: usize = 8;

/// The most characters of a way of writing, or of a key.
const FORM_LENGTH: usize = 60;

/// Terms, or categories, with what the texts make of them.
pub struct Terms {
    places: usize,
    terms: Vec<Term>,
    by_key: HashMap<String, usize>,
    /// Each term's bound and its place: the first is the next to go.
    by_bound: BTreeSet<(u64, usize)>,
}

/// What is known of a term.
#[derive(Clone, Debug, Default)]
pub struct Term {
    /// What the ways of writing it have in common.
    key: String,
    /// Texts by what they make of it, in the order of [`Label::ALL`].
    labels: [u64; 4],
    /// The most texts that may have mentioned it before it was counted.
    pub missed: u64,
    forms: Vec<(String, u64)>,
    pub praise: Quotes,
    pub blame: Quotes,
}

/// What one text makes of a term that it may mention more than once.
struct Opinion<'a> {
    key: String,
    form: &'a str,
    label: Label,
    /// The surest mention for each side.
    praise: Option<&'a Mention>,
    blame: Option<&'a Mention>,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms::of(PLACES)
    }
}

impl Terms {
    fn of(places: usize) -> Terms {
        let (by_key, by_bound) = (HashMap::new(), BTreeSet::new());
        Terms { places, terms: Vec::new(), by_key, by_bound }
    }

    /// Counts a text once for each term that it mentions. `named` says what a mention counts as.
    pub fn add<'a>(
        &mut self,
        text: &str,
        row: u64,
        mentions: &'a [Mention],
        named: impl Fn(&'a Mention) -> Option<(String, &'a str)>,
    ) {
        let mut opinions: Vec<Opinion<'a>> = Vec::new();
        for mention in mentions {
            let Some((key, form)) = named(mention) else { continue };
            match opinions.iter_mut().find(|opinion| opinion.key == key) {
                Some(opinion) => opinion.join(mention),
                None => opinions.push(Opinion::of(key, form, mention)),
            }
        }
        for opinion in opinions {
            let term = self.touch(opinion.key);
            term.labels[opinion.label as usize] += 1;
            term.count_form(opinion.form);
            for (quotes, mention) in
                [(&mut term.praise, opinion.praise), (&mut term.blame, opinion.blame)]
            {
                let Some(Mention { span: Some(span), confidence, .. }) = mention else { continue };
                quotes.offer(*confidence, row, || Quote::of(text, *span, row, *confidence));
            }
        }
    }

    /// The place of a term, which is made free for it where there is none.
    fn touch(&mut self, key: String) -> &mut Term {
        let at = match self.by_key.get(&key) {
            Some(at) => *at,
            None if self.terms.len() < self.places => {
                self.terms.push(Term::default());
                self.settle(self.terms.len() - 1, key, 0)
            }
            None => {
                let (bound, at) = *self.by_bound.first().expect("there are places");
                self.by_bound.remove(&(bound, at));
                self.by_key.remove(&self.terms[at].key);
                self.settle(at, key, bound)
            }
        };
        let bound = self.terms[at].bound();
        self.by_bound.remove(&(bound, at));
        self.by_bound.insert((bound + 1, at));
        &mut self.terms[at]
    }

    fn settle(&mut self, at: usize, key: String, missed: u64) -> usize {
        self.by_key.insert(key.clone(), at);
        self.terms[at] = Term { key, missed, ..Term::default() };
        at
    }

    /// The most texts that any term may be short of.
    pub fn most_missed(&self) -> u64 {
        self.terms.iter().map(|term| term.missed).max().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Those that more texts praise than blame, by how many more.
    pub fn liked(&self) -> Vec<&Term> {
        self.by(|term| term.balance() > 0, |term| -term.balance())
    }

    /// Those that more texts blame than praise, by how many more.
    pub fn disliked(&self) -> Vec<&Term> {
        self.by(|term| term.balance() < 0, Term::balance)
    }

    /// Those that as many texts praise as blame, the most discussed first.
    pub fn disputed(&self) -> Vec<&Term> {
        let is_disputed = |term: &Term| term.balance() == 0 && term.of(Label::Positive) > 0;
        self.by(is_disputed, |term| -(term.texts() as i64))
    }

    /// In an order that does not depend on which place a term has.
    fn by(&self, is_wanted: impl Fn(&Term) -> bool, rank: impl Fn(&Term) -> i64) -> Vec<&Term> {
        let mut wanted: Vec<&Term> = self.terms.iter().filter(|term| is_wanted(term)).collect();
        wanted.sort_by(|a, b| {
            let order = rank(a).cmp(&rank(b)).then(b.texts().cmp(&a.texts()));
            order.then_with(|| a.key.cmp(&b.key))
        });
        wanted
    }
}

impl Term {
    /// As most texts write it; of equals, the first of the alphabet.
    pub fn name(&self) -> &str {
        let best = self
            .forms
            .iter()
            .max_by(|(a, a_count), (b, b_count)| a_count.cmp(b_count).then_with(|| b.cmp(a)));
        best.map_or(&self.key, |(form, _)| form)
    }

    /// Texts that make this of it.
    pub fn of(&self, label: Label) -> u64 {
        self.labels[label as usize]
    }

    /// Texts that mention it.
    pub fn texts(&self) -> u64 {
        self.labels.iter().sum()
    }

    /// Space-Saving's count: what was counted and what may have been missed.
    fn bound(&self) -> u64 {
        self.texts() + self.missed
    }

    fn balance(&self) -> i64 {
        self.of(Label::Positive) as i64 - self.of(Label::Negative) as i64
    }

    fn count_form(&mut self, form: &str) {
        let form = clipped(form);
        let is_full = self.forms.len() == FORMS;
        match self.forms.iter_mut().find(|(known, _)| *known == form) {
            Some((_, count)) => *count += 1,
            None if is_full => {}
            None => self.forms.push((form, 1)),
        }
    }
}

impl<'a> Opinion<'a> {
    fn of(key: String, form: &'a str, mention: &'a Mention) -> Opinion<'a> {
        let label = mention.sentiment;
        let mut opinion = Opinion { key, form, label, praise: None, blame: None };
        opinion.keep(mention);
        opinion
    }

    /// As one request for a term sees several finds: `mixed` where they are at odds.
    fn join(&mut self, mention: &'a Mention) {
        self.label = match (self.label, mention.sentiment) {
            (Label::Neutral, other) => other,
            (own, Label::Neutral) => own,
            (own, other) if own == other => own,
            _ => Label::Mixed,
        };
        self.keep(mention);
    }

    fn keep(&mut self, mention: &'a Mention) {
        let side = match mention.sentiment {
            Label::Positive => &mut self.praise,
            Label::Negative => &mut self.blame,
            Label::Neutral | Label::Mixed => return,
        };
        if side.is_none_or(|kept| mention.confidence > kept.confidence) {
            *side = Some(mention);
        }
    }
}

/// Groups terms by the stems of their words, so that `Batteries` counts with `battery`.
pub struct Grouping(Stemmer);

impl Default for Grouping {
    fn default() -> Grouping {
        Grouping(Stemmer::create(Algorithm::English))
    }
}

impl Grouping {
    pub fn key(&self, term: &str) -> String {
        let stems: Vec<String> =
            words(term).iter().map(|word| self.0.stem(word).into_owned()).collect();
        // A term of emoji has no words, and is its own group.
        let key = if stems.is_empty() { term.trim().to_owned() } else { stems.join(" ") };
        clipped(&key)
    }
}

fn clipped(text: &str) -> String {
    text.trim().chars().take(FORM_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(term: &str, sentiment: Label) -> Mention {
        let span = Some((0, term.chars().count()));
        Mention { term: term.into(), category: None, sentiment, confidence: 0.9, span }
    }

    fn counted(places: usize, texts: &[&[(&str, Label)]]) -> Terms {
        let (mut terms, grouping) = (Terms::of(places), Grouping::default());
        for (row, text) in texts.iter().enumerate() {
            let mentions: Vec<_> = text.iter().map(|(term, label)| mention(term, *label)).collect();
            let named = |mention: &'_ Mention| grouping.key(&mention.term);
            let written = text.first().map_or("", |(term, _)| term);
            terms.add(written, row as u64 + 1, &mentions, |mention| {
                Some((named(mention), mention.term.as_str()))
            });
        }
        terms
    }

    #[test]
    fn ways_of_writing_count_together_and_the_commonest_names_them() {
        use Label::{Negative, Positive};
        let terms = counted(
            9,
            &[
                &[("Battery", Positive)],
                &[("batteries", Positive)],
                &[("batteries", Negative)],
                &[("🔋", Negative)],
                &[("  ", Negative)],
            ],
        );
        let liked = terms.liked();
        assert_eq!(liked.iter().map(|term| term.name()).collect::<Vec<_>>(), ["batteries"]);
        assert_eq!((liked[0].of(Positive), liked[0].of(Negative)), (2, 1));
        let names: Vec<_> = terms.disliked().iter().map(|term| term.name()).collect();
        assert_eq!(names, ["", "🔋"]);
    }

    #[test]
    fn a_text_counts_once_for_a_term() {
        use Label::{Mixed, Negative, Neutral, Positive};
        for (labels, expected) in [
            (&[Positive, Positive][..], Positive),
            (&[Neutral, Negative], Negative),
            (&[Negative, Neutral], Negative),
            (&[Positive, Negative], Mixed),
            (&[Mixed, Positive], Mixed),
        ] {
            let text: Vec<_> = labels.iter().map(|label| ("screen", *label)).collect();
            let terms = counted(9, &[&text]);
            let term = terms.terms.first().expect("it was counted");
            assert_eq!((term.texts(), term.of(expected)), (1, 1), "{labels:?}");
        }
    }

    #[test]
    fn frequent_terms_stay_and_the_bound_of_what_is_missed_holds() {
        // 40 × `often` among 160 terms that come once each, in 10 places.
        let rare: Vec<String> = (0..160).map(|number| format!("rare{number}")).collect();
        let rows: Vec<[(&str, Label); 1]> = rare
            .iter()
            .enumerate()
            .flat_map(|(at, rare)| {
                let often = (at % 4 == 0).then_some([("often", Label::Positive)]);
                [[(rare.as_str(), Label::Negative)]].into_iter().chain(often)
            })
            .collect();
        let texts: Vec<&[(&str, Label)]> = rows.iter().map(|row| row.as_slice()).collect();
        let terms = counted(10, &texts);
        assert_eq!((terms.terms.len(), terms.by_key.len(), terms.by_bound.len()), (10, 10, 10));
        let most = 200 / 10;
        assert!(terms.most_missed() <= most, "{}", terms.most_missed());
        let often = terms.liked()[0];
        assert_eq!(often.name(), "often");
        assert!((40 - most..=40).contains(&often.texts()), "{}", often.texts());
    }
}
