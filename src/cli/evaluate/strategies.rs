//! The strategies that can be compared, as they are typed.

use std::path::PathBuf;

use crate::app::{Config, ProviderName, model_folder, model_names};
use crate::cli::answers::RecordedAnswers;
use crate::cli::arguments::{share, usage};

/// One of a list, under the name that it was typed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategy {
    pub typed: String,
    pub reader: Reader,
}

/// Who reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Reader {
    Lexicon,
    /// The configured model, or that of another folder.
    Local(Option<String>),
    /// The configured model, and an LLM where its signals call for one.
    Cascade {
        /// The model whose recorded answers stand for the LLM's; `None`: an LLM is asked.
        recorded: Option<String>,
        /// The share of the texts that is escalated in place of what the thresholds would.
        share: Option<f64>,
    },
    /// Answers of that model which somebody has recorded.
    Recorded(String),
    /// An LLM alone; what is not named is as configured.
    Llm {
        provider: Option<ProviderName>,
        model: Option<String>,
    },
}

const FORMS: &str = "lexicon, local, local:MODEL, cascade, llm, llm:PROVIDER, llm:PROVIDER/MODEL, \
                     recorded:MODEL, cascade:MODEL, cascade@SHARE, cascade:MODEL@SHARE";

const PROVIDERS: [ProviderName; 2] = [ProviderName::OpenAi, ProviderName::Anthropic];

pub fn parse(typed: &str) -> Result<Strategy, String> {
    let unknown = || format!("there is no such strategy; expected any of {FORMS}");
    if let Some(rest) = typed.strip_prefix("cascade") {
        let reader = cascade(rest).ok_or_else(unknown)??;
        return Ok(Strategy { typed: typed.to_owned(), reader });
    }
    let (name, rest) = match typed.split_once(':') {
        Some((name, rest)) if !rest.is_empty() => (name, Some(rest)),
        Some(_) => return Err(unknown()),
        None => (typed, None),
    };
    let reader = match (name, rest) {
        ("lexicon", None) => Reader::Lexicon,
        ("recorded", Some(model)) => Reader::Recorded(model.to_owned()),
        ("local", model) => Reader::Local(model.map(str::to_owned)),
        ("llm", None) => Reader::Llm { provider: None, model: None },
        ("llm", Some(rest)) => {
            let (provider, model) = match rest.split_once('/') {
                Some((provider, model)) if !model.is_empty() => (provider, Some(model.to_owned())),
                Some(_) => return Err(unknown()),
                None => (rest, None),
            };
            let named = PROVIDERS.into_iter().find(|known| known.name() == provider);
            let names = PROVIDERS.map(ProviderName::name).join(" and ");
            let provider = named.ok_or_else(|| {
                format!("there is no provider {provider:?}; expected one of {names}")
            })?;
            Reader::Llm { provider: Some(provider), model }
        }
        _ => return Err(unknown()),
    };
    Ok(Strategy { typed: typed.to_owned(), reader })
}

/// What follows the word: a model after a colon, a share after an at sign. `None` for anything else.
fn cascade(rest: &str) -> Option<Result<Reader, String>> {
    if let Some(typed) = rest.strip_prefix('@') {
        let refused = |fault| format!("the share after @ is {typed:?}; {fault}");
        let share = share(typed).map_err(refused);
        return Some(share.map(|share| Reader::Cascade { recorded: None, share: Some(share) }));
    }
    let (model, given) = match rest.strip_prefix(':') {
        None if rest.is_empty() => (None, None),
        None => return None,
        // A model's own name may hold an at sign, before a date.
        Some(rest) => match rest.rsplit_once('@').map(|(model, typed)| (model, share(typed))) {
            Some((model, Ok(share))) => (Some(model), Some(share)),
            _ => (Some(rest), None),
        },
    };
    let recorded = model.map(str::to_owned);
    let is_whole = recorded.as_ref().is_none_or(|model| !model.is_empty());
    is_whole.then_some(Ok(Reader::Cascade { recorded, share: given }))
}

/// The strategies with what the rest of the command says of them: `escalate` for each cascade without a
/// share of its own, and the model behind each that names none where there are recorded answers.
///
/// # Errors
/// Wrong usage where an option and the strategies don't fit together.
pub fn settled(
    strategies: &[Strategy],
    answers: Option<&RecordedAnswers>,
    escalate: Option<f64>,
) -> anyhow::Result<Vec<Strategy>> {
    let is_cascade = |one: &Strategy| matches!(one.reader, Reader::Cascade { .. });
    if escalate.is_some() && !strategies.iter().any(is_cascade) {
        return Err(usage("--escalate", "is about cascade, which is not among the strategies"));
    }
    let Some(answers) = answers else {
        let share_of = |strategy: &Strategy| strategy.clone().escalating(escalate);
        return match strategies.iter().find_map(Strategy::recorded_model) {
            None => Ok(strategies.iter().map(share_of).collect()),
            Some(model) => {
                let message = format!("recorded answers of {model} need a file that holds them");
                Err(usage("--answers", message))
            }
        };
    };
    let uses = |one: &Strategy| is_cascade(one) || matches!(one.reader, Reader::Recorded(_));
    if !strategies.iter().any(uses) {
        let message = "is for recorded:MODEL and cascade; none of them is among the strategies";
        return Err(usage("--answers", message));
    }
    let settle = |strategy: &Strategy| -> anyhow::Result<Strategy> {
        let mut strategy = strategy.clone().escalating(escalate);
        match &mut strategy.reader {
            Reader::Llm { .. } => {
                let message = format!(
                    "{} asks a provider, and beside --answers nobody is asked; measure it in a run of \
                     its own",
                    strategy.typed
                );
                return Err(usage("--strategies", message));
            }
            Reader::Cascade { recorded, .. } if recorded.is_none() => {
                *recorded = Some(upper_tier(strategies, answers)?);
            }
            _ => {}
        }
        if let Some(model) = strategy.recorded_model() {
            answers.of(model, "--strategies")?;
        }
        Ok(strategy)
    };
    strategies.iter().map(settle).collect()
}

/// Whose answers a cascade takes that names nobody: those of the one `recorded:MODEL`, else of the only
/// model there is.
fn upper_tier(strategies: &[Strategy], answers: &RecordedAnswers) -> anyhow::Result<String> {
    let of_strategy = |one: &Strategy| match &one.reader {
        Reader::Recorded(model) => Some(model.clone()),
        _ => None,
    };
    let named: Vec<String> = strategies.iter().filter_map(of_strategy).collect();
    let remedy = "cascade:MODEL says whose answers cascade takes";
    match named.as_slice() {
        [model] => Ok(model.clone()),
        [] => Ok(answers.only("--strategies", remedy)?.model.clone()),
        several => {
            let several = several.join(", ");
            let message = format!("several models have recorded answers: {several}; {remedy}");
            Err(usage("--strategies", message))
        }
    }
}

impl Strategy {
    /// The model whose recorded answers it names.
    fn recorded_model(&self) -> Option<&str> {
        match &self.reader {
            Reader::Recorded(model) | Reader::Cascade { recorded: Some(model), .. } => Some(model),
            _ => None,
        }
    }

    /// With a share where it is a cascade that has none.
    fn escalating(mut self, escalate: Option<f64>) -> Strategy {
        if let Reader::Cascade { share, .. } = &mut self.reader {
            *share = share.or(escalate);
        }
        self
    }
}

/// The folder of a local model: a path as it is, a bare name below `models/`.
///
/// # Errors
/// Wrong usage where there is no such model, with those that there are.
pub fn folder(name: &str, config: &Config) -> anyhow::Result<PathBuf> {
    model_folder(name).ok_or_else(|| {
        let there = model_names();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        let configured = config.classifier.model.display();
        let message = format!(
            "local:{name}: there is no such model; in models/ there are: {there}, and local alone is \
             {configured}. A path to a folder will do as well"
        );
        usage("--strategies", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_read_as_they_are_typed() {
        let reader = |typed: &str| parse(typed).map(|strategy| strategy.reader);
        let llm = |provider, model: Option<&str>| {
            Ok(Reader::Llm { provider, model: model.map(str::to_owned) })
        };
        assert_eq!(reader("lexicon"), Ok(Reader::Lexicon));
        assert_eq!(reader("local"), Ok(Reader::Local(None)));
        assert_eq!(reader("local:a/b:c"), Ok(Reader::Local(Some("a/b:c".into()))));
        assert_eq!(reader("llm"), llm(None, None));
        assert_eq!(reader("llm:openai"), llm(Some(ProviderName::OpenAi), None));
        let haiku = Some("claude-haiku-5-5");
        assert_eq!(
            reader("llm:anthropic/claude-haiku-5-5"),
            llm(Some(ProviderName::Anthropic), haiku)
        );
        assert_eq!(reader("recorded:gpt-4o+cot"), Ok(Reader::Recorded("gpt-4o+cot".into())));
        for wrong in
            ["", "best", "llm:", "llm:openai/", "local:", "lexicon:afinn", "recorded", "cascaded"]
        {
            assert!(parse(wrong).unwrap_err().contains("lexicon, local"), "{wrong}");
        }
        for wrong in ["cascade:", "cascade:@0.5"] {
            assert!(parse(wrong).unwrap_err().contains("cascade:MODEL@SHARE"), "{wrong}");
        }
        assert!(parse("llm:acme").unwrap_err().contains("openai and anthropic"));
    }

    #[test]
    fn a_cascade_may_name_whose_answers_it_takes_and_a_share() {
        let check = |typed: &str, model: Option<&str>, share: Option<f64>| {
            let expected = Reader::Cascade { recorded: model.map(str::to_owned), share };
            assert_eq!(parse(typed).map(|strategy| strategy.reader), Ok(expected), "{typed}");
        };
        check("cascade", None, None);
        check("cascade@0.35", None, Some(0.35));
        check("cascade:gpt-4o", Some("gpt-4o"), None);
        check("cascade:gpt-4o@0.35", Some("gpt-4o"), Some(0.35));
        check("cascade:claude@20240620", Some("claude@20240620"), None);
        check("cascade:claude@20240620@1", Some("claude@20240620"), Some(1.0));
        let refused = parse("cascade@35").unwrap_err();
        assert!(refused.contains("\"35\"; expected a number from 0 to 1"), "{refused}");
    }
}
