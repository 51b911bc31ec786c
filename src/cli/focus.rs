//! The ledger as a bill in the form of the FinOps Open Cost and Usage Specification (FOCUS) 1.2: its
//! mandatory columns, those of the others that the ledger knows, and its own under `x_`.

use std::process::ExitCode;

use anyhow::Context;
use time::macros::format_description;
use time::{Date, Month};

use super::output;
use crate::app::Charge;

/// A column: its name, and how a charge reads there.
type Column = (&'static str, fn(&Row<'_>) -> String);

/// A charge, and the days that its row names.
struct Row<'a> {
    charge: &'a Charge,
    day: Date,
}

const COLUMNS: [Column; 43] = [
    ("BilledCost", |row| decimal(row.charge.cost)),
    // Which account pays is the provider's knowledge: its name stands for it.
    ("BillingAccountId", |row| row.charge.provider.clone()),
    ("BillingAccountName", |row| provider(row).to_owned()),
    ("BillingCurrency", |_| "USD".into()),
    ("BillingPeriodEnd", |row| midnight(next_month(row.day))),
    ("BillingPeriodStart", |row| midnight(first_of_month(row.day))),
    ("ChargeCategory", |_| "Usage".into()),
    // Of a month that was closed before; within one, a correction is a charge like others.
    ("ChargeClass", |row| if row.charge.late { "Correction".into() } else { String::new() }),
    ("ChargeDescription", description),
    ("ChargeFrequency", |_| "Usage-Based".into()),
    ("ChargePeriodEnd", |row| midnight(row.day.next_day().unwrap_or(row.day))),
    ("ChargePeriodStart", |row| midnight(row.day)),
    // None is known; its absence would leave open whether the quantity below was consumed.
    ("CommitmentDiscountStatus", |_| String::new()),
    ("ConsumedQuantity", |row| decimal(tokens(row.charge))),
    ("ConsumedUnit", |_| "Tokens".into()),
    ("ContractedCost", |row| decimal(row.charge.cost)),
    ("EffectiveCost", |row| decimal(row.charge.cost)),
    ("InvoiceId", |_| String::new()),
    ("InvoiceIssuerName", |row| provider(row).to_owned()),
    ("ListCost", |row| decimal(row.charge.cost)),
    ("PricingCategory", |_| "Standard".into()),
    ("PricingQuantity", |row| decimal(tokens(row.charge))),
    ("PricingUnit", |_| "Tokens".into()),
    ("ProviderName", |row| provider(row).to_owned()),
    ("PublisherName", |row| provider(row).to_owned()),
    ("ServiceCategory", |_| "AI and Machine Learning".into()),
    ("ServiceName", |row| format!("{} API", provider(row))),
    ("ServiceSubcategory", |_| "Generative AI".into()),
    ("SubAccountId", |row| text(row.charge.team.as_deref())),
    ("SubAccountName", |row| text(row.charge.team.as_deref())),
    ("SubAccountType", |row| row.charge.team.as_ref().map_or(String::new(), |_| "Team".into())),
    ("Tags", |row| serde_json::to_string(&row.charge.tags).unwrap_or_default()),
    ("x_CacheReadTokens", |row| row.charge.usage.cache_read.to_string()),
    ("x_CacheWriteTokens", |row| {
        let usage = &row.charge.usage;
        usage.cache_write_5m.saturating_add(usage.cache_write_1h).to_string()
    }),
    ("x_Calls", |row| row.charge.calls.to_string()),
    ("x_Correction", |row| text(row.charge.correction.as_deref())),
    ("x_Endpoint", |row| row.charge.endpoint.clone()),
    ("x_InputTokens", |row| row.charge.usage.input.to_string()),
    ("x_KeyId", |row| text(row.charge.key_id.as_deref())),
    ("x_Model", |row| text(Some(&row.charge.model))),
    ("x_OutputTokens", |row| row.charge.usage.output.to_string()),
    ("x_ReasoningTokens", |row| row.charge.usage.reasoning.to_string()),
    ("x_ServiceTier", |row| text(row.charge.tier.as_deref())),
];

/// Prints the charges as CSV.
pub fn print(charges: &[Charge]) -> anyhow::Result<ExitCode> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|(name, _)| name))?;
    for charge in charges {
        let day = Date::parse(&charge.day, format_description!("[year]-[month]-[day]"))
            .with_context(|| format!("the ledger has a charge on \"{}\"", charge.day))?;
        let row = Row { charge, day };
        writer.write_record(COLUMNS.map(|(_, read)| read(&row)))?;
    }
    output::line(String::from_utf8(writer.into_inner()?)?.trim_end())
}

fn provider<'a>(row: &Row<'a>) -> &'a str {
    match row.charge.provider.as_str() {
        "openai" => "OpenAI",
        "anthropic" => "Anthropic",
        other => other,
    }
}

fn description(row: &Row<'_>) -> String {
    let charge = row.charge;
    match &charge.correction {
        None => format!("{} calls of {}", charge.calls, charge.model),
        // Of settled calls, which other rows count.
        Some(kind) if charge.calls == 0 => format!("corrections ({kind}) of {}", charge.model),
        Some(kind) => format!("{} corrections ({kind}) of {}", charge.calls, charge.model),
    }
}

fn tokens(charge: &Charge) -> u64 {
    charge.usage.prompt().saturating_add(charge.usage.output)
}

/// Always with a point: a column in which none had one would be read as one of whole numbers.
fn decimal(amount: impl ToString) -> String {
    let text = amount.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

/// What users chose. A spreadsheet runs a cell that starts like a formula; an apostrophe makes it text.
fn text(cell: Option<&str>) -> String {
    output::spreadsheet_text(cell.unwrap_or_default())
}

fn midnight(day: Date) -> String {
    format!("{day}T00:00:00Z")
}

fn first_of_month(day: Date) -> Date {
    day.replace_day(1).unwrap_or(day)
}

fn next_month(day: Date) -> Date {
    let year = day.year() + i32::from(day.month() == Month::December);
    Date::from_calendar_date(year, day.month().next(), 1).unwrap_or(day)
}
