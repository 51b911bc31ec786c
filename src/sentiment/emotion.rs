//! The 28 emotions of GoEmotions (Demszky et al. 2020, <https://arxiv.org/abs/2005.00547>).

use serde::{Deserialize, Serialize};

use super::Label;

/// The enum, the list of all and the names out of one list, so that they cannot differ.
macro_rules! emotions {
    ($($variant:ident $name:literal,)*) => {
        /// An emotion of GoEmotions.
        // In the paper's order, which is the alphabet's but for `neutral`; that of `Emotions` too.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Emotion {
            $($variant,)*
        }

        impl Emotion {
            pub const ALL: [Emotion; 28] = [$(Emotion::$variant,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Emotion::$variant => $name,)*
                }
            }
        }
    };
}

emotions! {
    Admiration "admiration",
    Amusement "amusement",
    Anger "anger",
    Annoyance "annoyance",
    Approval "approval",
    Caring "caring",
    Confusion "confusion",
    Curiosity "curiosity",
    Desire "desire",
    Disappointment "disappointment",
    Disapproval "disapproval",
    Disgust "disgust",
    Embarrassment "embarrassment",
    Excitement "excitement",
    Fear "fear",
    Gratitude "gratitude",
    Grief "grief",
    Joy "joy",
    Love "love",
    Nervousness "nervousness",
    Optimism "optimism",
    Pride "pride",
    Realization "realization",
    Relief "relief",
    Remorse "remorse",
    Sadness "sadness",
    Surprise "surprise",
    Neutral "neutral",
}

impl Emotion {
    /// The emotion of that name; `None` for any other name.
    pub fn named(name: &str) -> Option<Emotion> {
        Emotion::ALL.into_iter().find(|emotion| emotion.name() == name)
    }

    /// Ekman's basic emotion that it belongs to, as GoEmotions' authors group them.
    pub fn ekman(self) -> &'static str {
        use Emotion::*;
        match self {
            Anger | Annoyance | Disapproval => "anger",
            Disgust => "disgust",
            Fear | Nervousness => "fear",
            Sadness | Disappointment | Embarrassment | Grief | Remorse => "sadness",
            Surprise | Realization | Confusion | Curiosity => "surprise",
            Neutral => "neutral",
            Admiration | Amusement | Approval | Caring | Desire | Excitement | Gratitude | Joy
            | Love | Optimism | Pride | Relief => "joy",
        }
    }

    /// What a text with this emotion feels, as GoEmotions' authors group them; `None` where it
    /// may be either.
    pub fn leaning(self) -> Option<Label> {
        match self.ekman() {
            "joy" => Some(Label::Positive),
            "surprise" | "neutral" => None,
            _ => Some(Label::Negative),
        }
    }
}

/// A score for each emotion, each by itself from 0 to 1, and whether it passes its threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Emotions {
    scores: [f32; 28],
    detected: [bool; 28],
}

impl Emotions {
    /// In the order of [`Emotion::ALL`].
    pub fn new(scores: [f32; 28], thresholds: &[f32; 28]) -> Emotions {
        let detected = std::array::from_fn(|at| scores[at] >= thresholds[at]);
        Emotions { scores, detected }
    }

    /// Without what a text only pretends to feel: those emotions score no more than the least of the others, and
    /// at most half of their thresholds.
    pub fn without(self, pretended: impl Fn(Emotion) -> bool, thresholds: &[f32; 28]) -> Emotions {
        let mut scores = self.scores;
        let felt = Emotion::ALL.into_iter().filter(|emotion| !pretended(*emotion));
        let least = felt.map(|emotion| self.scores[emotion as usize]).fold(1.0, f32::min);
        for emotion in Emotion::ALL.into_iter().filter(|emotion| pretended(*emotion)) {
            let at = emotion as usize;
            scores[at] = scores[at].min(least).min(thresholds[at] / 2.0);
        }
        Emotions::new(scores, thresholds)
    }

    /// In the order of [`Emotion::ALL`].
    pub fn scores(&self) -> &[f32; 28] {
        &self.scores
    }

    /// Each emotion with its score and whether it is detected, the highest score first.
    pub fn sorted(&self) -> Vec<(Emotion, f32, bool)> {
        let mut sorted: Vec<(Emotion, f32, bool)> = Emotion::ALL
            .into_iter()
            .zip(self.scores)
            .zip(self.detected)
            .map(|((emotion, score), detected)| (emotion, score, detected))
            .collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
        sorted
    }

    /// The emotion of the highest score; of equals, the first in the order of [`Emotion::ALL`].
    pub fn dominant(&self) -> Emotion {
        self.sorted()[0].0
    }

    /// Whether what is detected leans the other way than the label, and nothing its way.
    pub fn contradict(&self, label: Label) -> bool {
        let detected = Emotion::ALL.into_iter().zip(self.detected);
        label.is_contradicted_by(
            detected.filter_map(|(emotion, is)| emotion.leaning().filter(|_| is)),
        )
    }

    /// 1 where no emotion passes its threshold, less the further the surest one is above its own.
    pub fn doubt(&self, thresholds: &[f32; 28]) -> f32 {
        let above = self
            .scores
            .iter()
            .zip(thresholds)
            .map(|(score, threshold)| (score - threshold) / (1.0 - threshold).max(f32::EPSILON))
            .fold(0.0, f32::max);
        1.0 - above.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(high: &[Emotion]) -> Emotions {
        let mut scores = [0.01; 28];
        for emotion in high {
            scores[*emotion as usize] = 0.9;
        }
        Emotions::new(scores, &[0.5; 28])
    }

    #[test]
    fn names_and_order_are_those_of_the_paper() {
        for (at, emotion) in Emotion::ALL.into_iter().enumerate() {
            assert_eq!(emotion as usize, at);
            assert_eq!(Emotion::named(emotion.name()), Some(emotion));
        }
        assert_eq!(Emotion::named("hunger"), None);
        let joyful = Emotion::ALL.iter().filter(|one| one.ekman() == "joy").count();
        assert_eq!(joyful, 12);
    }

    #[test]
    fn the_highest_score_comes_first() {
        let emotions = with(&[Emotion::Joy]);
        assert_eq!(emotions.sorted()[0], (Emotion::Joy, 0.9, true));
        assert_eq!(emotions.sorted().iter().filter(|(_, _, detected)| *detected).count(), 1);
        assert_eq!((emotions.dominant(), emotions.dominant().ekman()), (Emotion::Joy, "joy"));
    }

    #[test]
    fn emotions_of_one_side_contradict_a_label_of_the_other() {
        assert!(with(&[Emotion::Anger]).contradict(Label::Positive));
        assert!(with(&[Emotion::Love]).contradict(Label::Negative));
        assert!(!with(&[Emotion::Anger, Emotion::Love]).contradict(Label::Positive));
        assert!(!with(&[Emotion::Anger]).contradict(Label::Mixed));
        assert!(!with(&[Emotion::Surprise]).contradict(Label::Negative));
    }

    #[test]
    fn what_is_pretended_is_not_detected_and_not_dominant() {
        let thresholds = [0.5; 28];
        for (others, dominant) in
            [(Some(Emotion::Annoyance), Emotion::Annoyance), (None, Emotion::ALL[0])]
        {
            let found = with(&others.into_iter().chain([Emotion::Gratitude]).collect::<Vec<_>>());
            let left = found.without(|emotion| emotion == Emotion::Gratitude, &thresholds);
            assert_eq!(left.dominant(), dominant);
            assert_eq!(left.scores()[Emotion::Gratitude as usize], 0.01);
            let detected = left.sorted().iter().filter(|(_, _, detected)| *detected).count();
            assert_eq!(detected, usize::from(others.is_some()));
        }
    }

    #[test]
    fn doubt_is_whole_where_nothing_is_detected() {
        assert_eq!(with(&[]).doubt(&[0.5; 28]), 1.0);
        assert!((with(&[Emotion::Joy]).doubt(&[0.5; 28]) - 0.2).abs() < 1e-6);
    }
}
