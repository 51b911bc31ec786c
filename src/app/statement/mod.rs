//! What a provider says was used and billed: its own exports, read into one form.

mod amount;
mod anthropic;
mod export;
mod form;
mod openai;

use std::collections::BTreeMap;

use time::Date;

use self::amount::Amount;
use crate::json::unmarked_text;
use crate::pricing::Usd;

/// Why a file is no statement that can be compared with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    #[error("provider \"{0}\" is not known: expected openai or anthropic")]
    Provider(String),
    #[error("this is not an export of {provider} that Undertone can read: expected {expected}")]
    Form { provider: &'static str, expected: &'static str },
    #[error(
        "the file is only a part of the report, since it says that more pages follow: save all of \
            them, as a JSON array of pages"
    )]
    Part,
    #[error("the file holds both costs and usage: compare with one of them, then with the other")]
    Mixed,
    #[error("the file covers no day")]
    Empty,
    #[error("{place}: {message}")]
    Bad { place: String, message: String },
}

impl StatementError {
    fn bad(place: impl Into<String>, message: impl Into<String>) -> StatementError {
        StatementError::Bad { place: place.into(), message: message.into() }
    }
}

/// A provider's figures by day (UTC) and, where it says so, model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    pub rows: BTreeMap<(Date, Option<String>), Billed>,
    /// The days that it covers, both included.
    pub days: Option<(Date, Date)>,
    /// The decimals of a dollar that its amounts have, the most of all.
    pub decimals: u32,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Costs,
    Usage,
}

/// What is billed of one day and model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Billed {
    /// `None` in a report of usage alone.
    pub cost: Option<Usd>,
    /// Amounts that the cost sums, each of which may be rounded.
    pub amounts: u32,
    /// `None` in a report of costs alone.
    pub tokens: Option<Tokens>,
}

/// Tokens as both providers report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All that was read, from the cache or not.
    pub prompt: u64,
    /// The part of `prompt` that was read from the cache.
    pub cache_read: u64,
    pub output: u64,
}

impl Statement {
    /// Reads an export of that provider.
    pub fn parse(provider: &str, text: &str) -> Result<Statement, StatementError> {
        // Spreadsheets put one before what they save.
        let text = unmarked_text(text);
        let is_json = text.trim_start().starts_with(['{', '[']);
        let form = match provider {
            "openai" => &openai::FORM,
            "anthropic" => &anthropic::FORM,
            _ => return Err(StatementError::Provider(provider.to_owned())),
        };
        let statement = if is_json { form.json(text) } else { form.csv(text) }?;
        match statement.days {
            Some(_) => Ok(statement),
            None => Err(StatementError::Empty),
        }
    }

    /// Whether it says what things cost.
    pub fn has_costs(&self) -> bool {
        self.kind == Some(Kind::Costs)
    }

    fn covers(&mut self, day: Date) {
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
    }

    fn is_of(&mut self, kind: Kind) -> Result<(), StatementError> {
        match self.kind.replace(kind) {
            Some(before) if before != kind => Err(StatementError::Mixed),
            _ => Ok(()),
        }
    }

    fn add_cost(
        &mut self,
        day: Date,
        model: Option<String>,
        amount: Amount,
    ) -> Result<(), StatementError> {
        self.is_of(Kind::Costs)?;
        self.covers(day);
        self.decimals = self.decimals.max(amount.decimals);
        let billed = self.rows.entry((day, model)).or_default();
        billed.cost = Some(billed.cost.unwrap_or_default() + amount.usd);
        billed.amounts += 1;
        Ok(())
    }

    fn add_tokens(
        &mut self,
        day: Date,
        model: Option<String>,
        more: Tokens,
    ) -> Result<(), StatementError> {
        self.is_of(Kind::Usage)?;
        self.covers(day);
        let tokens = self.rows.entry((day, model)).or_default().tokens.get_or_insert_default();
        tokens.prompt = tokens.prompt.saturating_add(more.prompt);
        tokens.cache_read = tokens.cache_read.saturating_add(more.cache_read);
        tokens.output = tokens.output.saturating_add(more.output);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::date;

    use super::*;

    fn parse(provider: &str, text: &str) -> Statement {
        Statement::parse(provider, text).expect("a statement")
    }

    fn cost(statement: &Statement, day: Date, model: Option<&str>) -> Option<String> {
        let billed = statement.rows.get(&(day, model.map(str::to_owned)))?;
        billed.cost.map(|cost| cost.to_string())
    }

    #[test]
    fn openais_costs_are_read_by_day_and_the_model_of_the_line_item() {
        let result = |usd: f64, item: &str| {
            json!({"object": "organization.costs.result", "line_item": item, "project_id": null,
                   "amount": {"value": usd, "currency": "usd"}})
        };
        let bucket = |start: i64, results: &[serde_json::Value]| {
            json!({"object": "bucket", "start_time": start, "end_time": start + 86_400,
                   "results": results})
        };
        let page = |data: &[serde_json::Value], more: bool| json!({"object": "page", "data": data, "has_more": more, "next_page": null});
        let gpt =
            [result(0.06, "gpt-4o-2024-08-06, input"), result(1e-5, "gpt-4o-2024-08-06, output")];
        let pages = json!([
            page(&[bucket(1_730_419_200, &gpt)], true),
            page(&[bucket(1_730_505_600, &[])], false),
        ]);
        let statement = parse("openai", &pages.to_string());
        let day = date!(2024 - 11 - 01);
        assert_eq!(cost(&statement, day, Some("gpt-4o-2024-08-06")).as_deref(), Some("0.06001"));
        assert_eq!(statement.days, Some((day, date!(2024 - 11 - 02))), "days without a cost count");
        assert_eq!(statement.decimals, 5);
        let part = Statement::parse("openai", &page(&[], true).to_string());
        assert!(matches!(part, Err(StatementError::Part)), "{part:?}");
    }

    #[test]
    fn the_csv_of_openais_dashboard_has_lines_without_an_amount() {
        let text = "\u{feff}start_time,end_time,start_time_iso,end_time_iso,amount_value,\
                    amount_currency,line_item,project_id\n\
                    1759622400,1759708800,2025-10-05T00:00:00+00:00,,0.8958740000000000,usd,,\n\
                    1759708800,1759795200,2025-10-06T00:00:00+00:00,,,,,\n";
        let statement = parse("openai", text);
        let day = date!(2025 - 10 - 05);
        assert_eq!(cost(&statement, day, None).as_deref(), Some("0.895874"));
        assert_eq!(statement.days, Some((day, date!(2025 - 10 - 06))));
    }

    #[test]
    fn anthropics_report_counts_cents_and_its_usage_all_that_was_read() {
        let page = |result: serde_json::Value| {
            json!({"data": [{"starting_at": "2026-08-01T00:00:00Z",
                             "ending_at": "2026-08-02T00:00:00Z", "results": [result]}],
                   "has_more": false, "next_page": null})
            .to_string()
        };
        let day = date!(2026 - 08 - 01);
        let costs = page(json!({"currency": "USD", "amount": "123.78912", "cost_type": "tokens",
            "model": "claude-haiku-5-5", "description": "Claude Haiku 5.5 Usage - Input Tokens"}));
        let statement = parse("anthropic", &costs);
        assert_eq!(cost(&statement, day, Some("claude-haiku-5-5")).as_deref(), Some("1.2378912"));
        let usage = page(json!({"uncached_input_tokens": 1500, "cache_read_input_tokens": 200,
            "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
            "output_tokens": 70, "model": "claude-haiku-5-5"}));
        let statement = parse("anthropic", &usage);
        let billed = statement.rows[&(day, Some("claude-haiku-5-5".to_owned()))];
        let expected = Tokens { prompt: 3200, cache_read: 200, output: 70 };
        assert_eq!((billed.tokens, billed.cost), (Some(expected), None));
    }

    #[test]
    fn anthropics_csv_of_tokens_is_read_by_its_columns() {
        let text = "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,\
                    usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,\
                    usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,\
                    usage_output_tokens,web_search_count,inference_geo,speed\n\
                    2026-08-05,claude-opus-5-5,A,Default,standard,\u{2264} 200k,46981,15969,0,7,16932,0,,\n";
        let statement = parse("anthropic", text);
        let billed = statement.rows[&(date!(2026 - 08 - 05), Some("claude-opus-5-5".to_owned()))];
        let expected = Tokens { prompt: 46981 + 15969 + 7, cache_read: 7, output: 16932 };
        assert_eq!(billed.tokens, Some(expected));
    }

    #[test]
    fn other_currencies_longer_buckets_and_mixtures_are_refused() {
        let cost = json!({"amount": {"value": 1, "currency": "eur"}});
        let usage = json!({"input_tokens": 1});
        let dollars = json!({"amount": {"value": 1, "currency": "usd"}});
        for (days, results, expected) in [
            (1, json!([cost]), "2026-11-01, amount: is in eur: only usd is read"),
            (2, json!([]), "data[0]: spans more than one day (UTC)"),
            (1, json!([dollars, usage]), "the file holds both costs and usage"),
        ] {
            let bucket = json!({"start_time": 1_793_491_200, "results": results,
                                "end_time": 1_793_491_200 + days * 86_400});
            let page = json!({"data": [bucket], "has_more": false}).to_string();
            let error = Statement::parse("openai", &page).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
