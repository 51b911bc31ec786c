//! What `undertone serve` says at a terminal: to somebody who has just started it by hand.

use std::fmt::Write;

/// What there is to say.
pub struct Greeting {
    /// Where it listens, as `http://HOST:PORT`.
    pub url: String,
    pub model: String,
    /// That the model reads, as BCP 47 has them.
    pub languages: Vec<String>,
    /// Where the ledger is.
    pub store: String,
    /// Each configured LLM with its provider, the one that is asked first in front.
    pub llms: Vec<String>,
    pub keys_are_needed: bool,
}

impl Greeting {
    pub fn text(&self) -> String {
        let Greeting { url, model, store, .. } = self;
        let languages = self.languages.join(", ");
        let llms = match self.llms.as_slice() {
            [] => "none is configured, so every answer is local. Set OPENAI_API_KEY or \
                   ANTHROPIC_API_KEY to have one"
                .to_owned(),
            llms => {
                format!("{}; sarcastic, ambiguous and mixed text goes there", llms.join(", then "))
            }
        };
        let (keys, header) = match self.keys_are_needed {
            true => ("every request needs one", " -H \"Authorization: Bearer $UNDERTONE_KEY\""),
            false => (
                "none is needed yet, and only this machine is answered. `undertone keys create` makes \
                 the first; from then on every request needs one",
                "",
            ),
        };
        let mut text = String::new();
        for (name, value) in [
            ("model", format!("{model}, reads {languages}")),
            ("ledger", store.clone()),
            ("LLM", llms),
            ("keys", keys.to_owned()),
            ("page", format!("{url} to try a text, {url}/dashboard to watch them come")),
        ] {
            writeln!(text, "  {name:<8}{value}").expect("a string takes any text");
        }
        write!(
            text,
            "\nTry:\n  curl {url}/v1/sentiment{header} -H 'Content-Type: application/json' -d \
             '{{\"text\": \"I love this phone, the battery lasts all day.\"}}'\n\nStop with Ctrl-C."
        )
        .expect("a string takes any text");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_start_says_what_is_there_and_what_to_try() {
        let mut greeting = Greeting {
            url: "http://127.0.0.1:8787".into(),
            model: "undertone-mini".into(),
            languages: vec!["en".into()],
            store: "/srv/data/undertone.db".into(),
            llms: Vec::new(),
            keys_are_needed: false,
        };
        assert_eq!(
            greeting.text(),
            r#"  model   undertone-mini, reads en
  ledger  /srv/data/undertone.db
  LLM     none is configured, so every answer is local. Set OPENAI_API_KEY or ANTHROPIC_API_KEY to have one
  keys    none is needed yet, and only this machine is answered. `undertone keys create` makes the first; from then on every request needs one
  page    http://127.0.0.1:8787 to try a text, http://127.0.0.1:8787/dashboard to watch them come

Try:
  curl http://127.0.0.1:8787/v1/sentiment -H 'Content-Type: application/json' -d '{"text": "I love this phone, the battery lasts all day."}'

Stop with Ctrl-C."#
        );
        greeting.keys_are_needed = true;
        greeting.llms = vec!["gpt-4o (openai)".into(), "claude (anthropic)".into()];
        let text = greeting.text();
        assert!(text.contains("gpt-4o (openai), then claude (anthropic); sarcastic"), "{text}");
        assert!(text.contains("keys    every request needs one\n"), "{text}");
        assert!(text.contains("-H \"Authorization: Bearer $UNDERTONE_KEY\""), "{text}");
    }
}
