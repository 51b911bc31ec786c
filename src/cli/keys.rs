//! `undertone keys`: who may ask.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ledger;
use super::output::{self, Format};
use crate::app::{self, BadParameter, Config, NewKey, Period, Scope, Store, StoredKey};
use crate::pricing::Usd;

/// Create, list and revoke the keys that callers of the gateway send.
///
/// Before the first key the gateway serves this machine alone, and asks for none. From then on every
/// request needs one, for good. A running gateway knows of a new or a revoked key within a second.
#[derive(Subcommand)]
pub enum Keys {
    /// Create a key. It is shown this once: only a hash of it is kept
    Create(Box<Create>),
    /// List the keys, the oldest first
    List {
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Revoke a key, at once and for good
    Revoke {
        /// As `keys list` shows it, such as k-0123456789abcdef
        id: String,
    },
}

#[derive(Args)]
pub struct Create {
    /// The team that its costs belong to, and whose budgets bind it
    #[arg(long)]
    team: String,
    /// What it opens, with commas: analyze, texts:read, texts:review (feedback on
    /// all of the team's verdicts), costs:read (all teams' costs), trends:read, metrics:read
    #[arg(long, value_delimiter = ',', required = true, value_parser = str::parse::<Scope>)]
    scopes: Vec<Scope>,
    /// The most that its calls of LLMs may cost each day (UTC)
    #[arg(long, value_name = "USD", value_parser = str::parse::<Usd>)]
    budget_day: Option<Usd>,
    /// The most that they may cost each month (UTC)
    #[arg(long, value_name = "USD", value_parser = str::parse::<Usd>)]
    budget_month: Option<Usd>,
    /// Its budgets warn, and stop nothing
    #[arg(long)]
    soft: bool,
    /// When it stops to open anything: a day (UTC) or a time (RFC 3339), such as 2027-06-30
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Requests a minute; 0: any number [default: access.requests_per_minute]
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Texts a minute, those of batches too; 0: any number [default: access.texts_per_minute]
    #[arg(long, value_name = "N")]
    texts_per_minute: Option<u32>,
    /// Tokens that LLMs may read and write for it a minute; 0: any number
    /// [default: access.tokens_per_minute]
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<u32>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Keys {
    pub async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let store = match self {
            Keys::Create(_) => ledger::to_write(&config).await?,
            Keys::List { .. } => ledger::to_read(&config).await?,
            Keys::Revoke { .. } => ledger::to_change(&config).await?,
        };
        let done = match self {
            Keys::Create(create) => create.run(&store).await,
            Keys::List { format } => {
                let state = store.access_state(OffsetDateTime::now_utc()).await?;
                let is_open = !state.any_key && !config.access.require_keys;
                list(&store.keys().await?, format, is_open)
            }
            Keys::Revoke { id } => revoke(&store, id).await,
        };
        store.close().await;
        done
    }
}

impl Create {
    async fn run(self, store: &Store) -> anyhow::Result<ExitCode> {
        let expires_at =
            self.expires.as_deref().map(|text| app::moment("expires", text)).transpose()?;
        let budgets = [(Period::Day, self.budget_day), (Period::Month, self.budget_month)];
        let budgets: Vec<(Period, Usd)> =
            budgets.into_iter().filter_map(|(period, limit)| Some((period, limit?))).collect();
        let new = NewKey {
            team: self.team,
            scopes: self.scopes,
            expires_at,
            requests_per_minute: self.requests_per_minute,
            texts_per_minute: self.texts_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            budgets,
            hard: !self.soft,
        };
        let (key, secret) = app::create_key(store, new).await?;
        match self.format {
            Format::Json => {
                let mut shown = shown(&key);
                shown["key"] = json!(secret.expose_secret());
                output::json(&shown)
            }
            Format::Csv => {
                let header = ["id", "key"].map(str::to_owned);
                let row = vec![key.id, secret.expose_secret().to_owned()];
                output::csv(&header, &[row])
            }
            Format::Table => output::line(&format!(
                "{}\n\nThis is the key {} of {}, shown this once: callers send it as\n  \
                 Authorization: Bearer KEY",
                secret.expose_secret(),
                key.id,
                key.team
            )),
        }
    }
}

async fn revoke(store: &Store, id: String) -> anyhow::Result<ExitCode> {
    if !store.revoke_key(id.clone(), OffsetDateTime::now_utc()).await? {
        let message = format!("there is no key {id}: undertone keys list shows them");
        return Err(BadParameter { field: "id", message }.into());
    }
    output::line(&format!("{id} is revoked: gateways refuse it within a second."))
}

fn list(keys: &[StoredKey], format: Format, is_open: bool) -> anyhow::Result<ExitCode> {
    let columns = [
        "id",
        "team",
        "scopes",
        "state",
        "created_at",
        "expires_at",
        "requests_per_minute",
        "texts_per_minute",
        "tokens_per_minute",
    ];
    let all: Vec<Value> = keys.iter().map(shown).collect();
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> =
        all.iter().map(|key| columns.iter().map(|column| cell(&key[*column])).collect()).collect();
    let header = columns.map(str::to_owned);
    match format {
        Format::Json => output::json(&all),
        Format::Csv => output::csv(&header, &rows),
        Format::Table if rows.is_empty() => output::line(match is_open {
            true => "There are no keys: the gateway serves this machine alone.",
            false => {
                "There are no keys, and the gateway asks for one: create it with undertone keys create."
            }
        }),
        Format::Table => output::table(&header, &rows, header.len()),
    }
}

/// A key without what opens anything.
fn shown(key: &StoredKey) -> Value {
    let now = OffsetDateTime::now_utc();
    let time = |at: Option<OffsetDateTime>| at.and_then(|at| at.format(&Rfc3339).ok());
    let state = match key.revoked_at {
        Some(_) => "revoked",
        None if key.is_live(now) => "live",
        None => "expired",
    };
    json!({
        "id": key.id,
        "team": key.team,
        "scopes": key.scopes.split(' ').collect::<Vec<_>>(),
        "state": state,
        "created_at": time(Some(key.created_at)),
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "requests_per_minute": key.requests_per_minute,
        "texts_per_minute": key.texts_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
    })
}
