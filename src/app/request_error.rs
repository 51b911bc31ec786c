//! Why a request got no answer, and what that used.

use super::ClassifierError;
use crate::cascade;
use crate::pricing::Usage;
use crate::store;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Cascade(#[from] cascade::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl RequestError {
    /// Whether it is the text's own fault: no later try is better.
    pub fn is_text_too_long(&self) -> bool {
        let RequestError::Cascade(cascade::Error::Classifier(error)) = self else { return false };
        matches!(error, ClassifierError::TooManyTokens { .. })
    }

    /// The tokens that were used all the same.
    pub fn usage(&self) -> Usage {
        match self {
            RequestError::Cascade(cascade::Error::Llm(failure)) => failure.bill.usage,
            _ => Usage::default(),
        }
    }
}
