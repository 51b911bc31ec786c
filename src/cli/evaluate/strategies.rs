//! The strategies that can be compared, as they are typed.

use std::path::PathBuf;

use crate::app::{Config, ProviderName, model_folder, model_names};
use crate::cli::arguments::usage;

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
    Cascade,
    /// An LLM alone; what is not named is as configured.
    Llm {
        provider: Option<ProviderName>,
        model: Option<String>,
    },
}

const FORMS: &str = "lexicon, local, local:MODEL, cascade, llm, llm:PROVIDER, llm:PROVIDER/MODEL";

const PROVIDERS: [ProviderName; 2] = [ProviderName::OpenAi, ProviderName::Anthropic];

pub fn parse(typed: &str) -> Result<Strategy, String> {
    let unknown = || format!("there is no such strategy; expected any of {FORMS}");
    let (name, rest) = match typed.split_once(':') {
        Some((name, rest)) if !rest.is_empty() => (name, Some(rest)),
        Some(_) => return Err(unknown()),
        None => (typed, None),
    };
    let reader = match (name, rest) {
        ("lexicon", None) => Reader::Lexicon,
        ("cascade", None) => Reader::Cascade,
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
        for wrong in ["", "best", "llm:", "llm:openai/", "local:", "lexicon:afinn", "cascade:x"] {
            assert!(parse(wrong).unwrap_err().contains("lexicon, local"), "{wrong}");
        }
        assert!(parse("llm:acme").unwrap_err().contains("openai and anthropic"));
    }
}
