//! What a verdict comes to, in a word or two: by this two readers are told to agree or not.

use super::{Emotion, Findings, Label, Verdict};

/// The label, and of emotions the dominant one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gist {
    pub label: Label,
    /// Where emotions were asked for.
    pub dominant: Option<Emotion>,
}

impl Gist {
    /// Whether both say the same of what was asked: the dominant emotion where emotions were, else
    /// the label. Two readers hardly ever list the same terms: of aspects too, the whole counts.
    pub fn agrees(self, other: Gist) -> bool {
        match (self.dominant, other.dominant) {
            (Some(own), Some(other)) => own == other,
            _ => self.label == other.label,
        }
    }
}

impl Verdict {
    pub fn gist(&self) -> Gist {
        let dominant = match &self.findings {
            Findings::Emotions(emotions) => Some(emotions.dominant()),
            Findings::None | Findings::Aspects(_) => None,
        };
        Gist { label: self.scores.label(), dominant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agree_on_what_was_asked() {
        let of = |label, dominant| Gist { label, dominant };
        let (joy, love) = (Some(Emotion::Joy), Some(Emotion::Love));
        for (one, other, agree) in [
            (of(Label::Positive, None), of(Label::Positive, None), true),
            (of(Label::Positive, None), of(Label::Mixed, None), false),
            (of(Label::Positive, joy), of(Label::Neutral, joy), true),
            (of(Label::Positive, joy), of(Label::Positive, love), false),
            (of(Label::Positive, joy), of(Label::Positive, None), true),
        ] {
            assert_eq!(one.agrees(other), agree, "{one:?} {other:?}");
        }
    }
}
