//! Whether a reader was right about each text, as a whole: what routing is chosen by.

use super::quality::occurring;
use super::{Dataset, Prediction, Truth};
use crate::sentiment::Label;

/// For each text whether its prediction is right: the likeliest of the labels that occur in the file,
/// sarcasm seen or not, exactly the emotions or the aspects that are true.
pub fn right(dataset: &Dataset, predictions: &[Prediction]) -> Vec<bool> {
    let labels = occurring(dataset);
    let pairs = dataset.examples.iter().zip(predictions);
    pairs.map(|(example, prediction)| is_right(&labels, &example.truth, prediction)).collect()
}

fn is_right(labels: &[Label], truth: &Truth, prediction: &Prediction) -> bool {
    match (truth, prediction) {
        (Truth::Sentiment(truth), Prediction::Sentiment(scores)) => {
            let score = |label: Label| scores[label as usize];
            // Of equals the first; a reader with nothing to say is wrong.
            let best = labels
                .iter()
                .copied()
                .reduce(|best, label| if score(label) > score(best) { label } else { best });
            best.is_some_and(|best| score(best) > 0.0 && best == *truth)
        }
        (Truth::Sarcasm(truth), Prediction::Sarcasm(score)) => score.detected() == *truth,
        (Truth::Emotions(truth), Prediction::Emotions(detected)) => detected == truth,
        (Truth::Aspects(truth), Prediction::Aspects(found)) => found == truth,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{Example, Subject, quality};

    #[test]
    fn who_is_right_is_who_the_accuracy_counts() {
        let truths = [Label::Negative, Label::Positive, Label::Positive];
        let example = |label| Example { text: "".into(), truth: Truth::Sentiment(label) };
        let dataset = Dataset { subject: Subject::Sentiment, examples: truths.map(example).into() };
        // Neutral does not occur: the second is right all the same, the third says nothing.
        let predictions = [[0.6, 0.1, 0.3, 0.0], [0.1, 0.6, 0.3, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let predictions = predictions.map(Prediction::Sentiment);
        let of = right(&dataset, &predictions);
        assert_eq!(of, [true, true, false]);
        let measured = quality(&dataset, &predictions.map(Some)).expect("there are texts");
        assert!((measured.headline().1 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(right(&dataset, &[Prediction::Nothing]), [false]);
    }
}
