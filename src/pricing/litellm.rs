//! LiteLLM's public price table (`model_prices_and_context_window.json`) as prices of ours.
//!
//! It gives US dollars a token as JSON numbers, `_priority`, `_flex` and `_batches` for tiers, and
//! `_above_200k_tokens` for long prompts: <https://docs.litellm.ai/docs/provider_registration/add_model_pricing>.
//! What a region costs is a factor: `regional_processing_uplift_multiplier_eu` of OpenAI's models, `us` in
//! the `provider_specific_entry` of Anthropic's.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Usd;
use super::price::Rates;

/// The part of the table that concerns the providers known here.
#[derive(Debug)]
pub struct PublicPrices {
    models: BTreeMap<String, Listed>,
}

/// A model as the table lists it.
#[derive(Debug)]
pub struct Listed {
    pub provider: &'static str,
    pub offers: Vec<Offer>,
}

/// What a model costs at one service.
#[derive(Debug)]
pub struct Offer {
    /// As a response names it.
    pub tier: &'static str,
    /// Empty: anywhere.
    pub region: &'static str,
    pub(super) listing: Listing,
}

/// Prices of one tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub(super) rates: Rates,
    pub(super) above: Vec<(u64, Rates)>,
}

/// Why a text is no such table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it is not a JSON object of models: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{model}, {field}: expected US dollars a token, 0 to 1; it is {value}")]
    Amount { model: String, field: String, value: String },
    #[error("{model}, the factor of region {region}: expected 1 to 10; it is {value}")]
    Factor { model: String, region: &'static str, value: String },
}

#[derive(Deserialize)]
struct Table(BTreeMap<String, Value>);

/// What each provider's responses call a tier, and how the table marks its fields.
const OPENAI: [(&str, &str); 4] =
    [("default", ""), ("batch", "_batches"), ("flex", "_flex"), ("priority", "_priority")];
const ANTHROPIC: [(&str, &str); 2] = [("standard", ""), ("batch", "_batches")];

/// The regions that the table has factors for, and where.
const REGIONS: [(&str, &str, &str); 3] = [
    ("openai", "eu", "/regional_processing_uplift_multiplier_eu"),
    ("openai", "us", "/regional_processing_uplift_multiplier_us"),
    ("anthropic", "us", "/provider_specific_entry/us"),
];

impl PublicPrices {
    pub fn parse(text: &str) -> Result<PublicPrices, Error> {
        let Table(table) = serde_json::from_str(text)?;
        let mut models = BTreeMap::new();
        for (model, entry) in table {
            let Value::Object(entry) = entry else { continue };
            // `azure/gpt-4o` and its like are other shops.
            let listed = match entry.get("litellm_provider").and_then(Value::as_str) {
                _ if model.contains('/') => None,
                Some("openai") => Some(("openai", OPENAI.as_slice())),
                Some("anthropic") => Some(("anthropic", ANTHROPIC.as_slice())),
                _ => None,
            };
            let Some((provider, known)) = listed else { continue };
            let mut offers = Vec::new();
            for (tier, mark) in known {
                if let Some(listing) = listing(&model, &entry, mark)? {
                    for (region, factor) in factors(&model, provider, &entry)? {
                        offers.push(Offer { tier, region, listing: listing.times(factor) });
                    }
                    offers.push(Offer { tier, region: "", listing });
                }
            }
            if !offers.is_empty() {
                models.insert(model, Listed { provider, offers });
            }
        }
        Ok(PublicPrices { models })
    }

    pub fn model(&self, id: &str) -> Option<&Listed> {
        self.models.get(id)
    }

    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

/// The regions with prices of their own, each with its factor in millionths.
fn factors(
    model: &str,
    provider: &str,
    entry: &Map<String, Value>,
) -> Result<Vec<(&'static str, i64)>, Error> {
    let mut factors = Vec::new();
    for (_, region, place) in REGIONS.iter().filter(|(of, ..)| *of == provider) {
        let mut names = place.split('/').skip(1);
        let value = names.next().and_then(|name| entry.get(name));
        let value = names.fold(value, |value, name| value?.get(name));
        let Some(value) = value.filter(|value| !value.is_null()) else { continue };
        let factor = value.as_f64().filter(|factor| (1.0..=10.0).contains(factor));
        let error = || Error::Factor { model: model.to_owned(), region, value: value.to_string() };
        // In range, so that it is a whole number of a few digits.
        factors.push((*region, (factor.ok_or_else(error)? * 1e6).round() as i64));
    }
    Ok(factors)
}

impl Listing {
    /// Each price times a factor in millionths.
    fn times(&self, factor: i64) -> Listing {
        let above = self.above.iter();
        Listing {
            rates: self.rates.times(factor),
            above: above.map(|(limit, rates)| (*limit, rates.times(factor))).collect(),
        }
    }
}

/// The prices of the fields with this mark; `None` where input or output has none.
fn listing(model: &str, entry: &Map<String, Value>, mark: &str) -> Result<Option<Listing>, Error> {
    let Some(rates) = rates(model, entry, &|name| format!("{name}{mark}"))? else {
        return Ok(None);
    };
    let mut above = Vec::new();
    if mark.is_empty() {
        for thousands in thresholds(entry) {
            let field = |name: &str| format!("{name}_above_{thousands}k_tokens");
            if let Some(rates) = self::rates(model, entry, &field)? {
                above.push((thousands * 1000, rates));
            }
        }
    }
    Ok(Some(Listing { rates, above }))
}

/// The prompt lengths, in thousands of tokens and ascending, above which input has another price.
fn thresholds(entry: &Map<String, Value>) -> Vec<u64> {
    let of_field = |field: &String| {
        let rest = field.strip_prefix("input_cost_per_token_above_")?;
        rest.strip_suffix("k_tokens")?.parse().ok()
    };
    let mut all: Vec<u64> = entry.keys().filter_map(of_field).collect();
    all.sort_unstable();
    all
}

fn rates(
    model: &str,
    entry: &Map<String, Value>,
    field: &dyn Fn(&str) -> String,
) -> Result<Option<Rates>, Error> {
    let price = |name: &str| per_million(model, entry, &field(name));
    let (input, output) = (price("input_cost_per_token")?, price("output_cost_per_token")?);
    let (Some(input), Some(output)) = (input, output) else { return Ok(None) };
    Ok(Some(Rates {
        input,
        cache_read: price("cache_read_input_token_cost")?,
        cache_write_5m: price("cache_creation_input_token_cost")?,
        cache_write_1h: price("cache_creation_input_token_cost_above_1hr")?,
        output,
    }))
}

/// Dollars a token, as dollars per million tokens. Doubles hold sixteen digits, and no price has more
/// than six decimals per million: rounding to nine finds the decimal number that was meant.
fn per_million(model: &str, entry: &Map<String, Value>, field: &str) -> Result<Option<Usd>, Error> {
    let Some(value) = entry.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    let amount = number.filter(|number| (0.0..=1.0).contains(number));
    let amount = amount.and_then(|number| format!("{:.9}", number * 1e6).parse().ok());
    let error = || Error::Amount {
        model: model.to_owned(),
        field: field.to_owned(),
        value: value.to_string(),
    };
    amount.ok_or_else(error).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().expect("an amount")
    }

    #[test]
    fn a_price_a_token_becomes_the_decimal_number_that_was_meant() {
        let table = r#"{
            "sample_spec": {"input_cost_per_token": 0.0, "litellm_provider": "one of …"},
            "small": {"litellm_provider": "openai", "input_cost_per_token": 1.5e-07,
                "output_cost_per_token": 6e-07, "cache_read_input_token_cost": 7.5e-08,
                "input_cost_per_token_batches": 7.5e-08, "output_cost_per_token_batches": 3e-07,
                "input_cost_per_token_flex": 1e-07},
            "azure/small": {"litellm_provider": "openai", "input_cost_per_token": 1,
                "output_cost_per_token": 1},
            "long": {"litellm_provider": "anthropic", "input_cost_per_token": 3e-06,
                "output_cost_per_token": 1.5e-05, "cache_creation_input_token_cost": 3.75e-06,
                "cache_creation_input_token_cost_above_1hr": 6e-06,
                "input_cost_per_token_above_200k_tokens": 6e-06,
                "output_cost_per_token_above_200k_tokens": "2.25e-05"},
            "elsewhere": {"litellm_provider": "mistral", "input_cost_per_token": 1e-6,
                "output_cost_per_token": 1e-6},
            "a vector": {"litellm_provider": "openai", "input_cost_per_token": 2e-08}
        }"#;
        let prices = PublicPrices::parse(table).expect("a table");
        let small = prices.model("small").expect("it is OpenAI's");
        assert_eq!(small.provider, "openai");
        let tiers: Vec<&str> = small.offers.iter().map(|offer| offer.tier).collect();
        assert_eq!(tiers, ["default", "batch"], "a flex price without an output is none");
        let rates = &small.offers[0].listing.rates;
        assert_eq!((rates.input, rates.output), (usd("0.15"), usd("0.6")));
        assert_eq!(rates.cache_read, Some(usd("0.075")));
        assert_eq!(rates.cache_write_5m, None);
        let long = &prices.model("long").expect("it is Anthropic's").offers[0];
        assert_eq!(long.tier, "standard");
        assert_eq!(long.listing.rates.cache_write_1h, Some(usd("6")));
        let (threshold, above) = &long.listing.above[0];
        assert_eq!((*threshold, above.input, above.output), (200_000, usd("6"), usd("22.5")));
        for other in ["sample_spec", "azure/small", "elsewhere", "a vector"] {
            assert!(prices.model(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_region_costs_its_factor_in_every_bucket_and_tier() {
        let table = r#"{
            "bound": {"litellm_provider": "openai", "input_cost_per_token": 1e-07,
                "output_cost_per_token": 5e-07, "cache_read_input_token_cost": 1e-08,
                "input_cost_per_token_batches": 5e-08, "output_cost_per_token_batches": 2.5e-07,
                "regional_processing_uplift_multiplier_eu": 1.1},
            "geo": {"litellm_provider": "anthropic", "input_cost_per_token": 3e-06,
                "output_cost_per_token": 1.5e-05, "input_cost_per_token_above_200k_tokens": 6e-06,
                "output_cost_per_token_above_200k_tokens": 2.25e-05,
                "provider_specific_entry": {"us": 1.1, "fast": 2.0}}
        }"#;
        let prices = PublicPrices::parse(table).expect("a table");
        let offer = |model: &str, tier, region| {
            let offers = &prices.model(model).expect("it is listed").offers;
            let is_it = |offer: &&Offer| (offer.tier, offer.region) == (tier, region);
            offers.iter().find(is_it).map(|offer| offer.listing.clone())
        };
        let eu = offer("bound", "default", "eu").expect("a price of its own").rates;
        assert_eq!((eu.input, eu.output), (usd("0.11"), usd("0.55")));
        assert_eq!(eu.cache_read, Some(usd("0.011")));
        let batch = offer("bound", "batch", "eu").expect("likewise").rates;
        assert_eq!((batch.input, batch.output), (usd("0.055"), usd("0.275")));
        assert_eq!(offer("bound", "default", "us"), None);
        let us = offer("geo", "standard", "us").expect("a price of its own");
        assert_eq!((us.rates.input, us.above[0].1.output), (usd("3.3"), usd("24.75")));
        let wrong = table.replace("\"us\": 1.1", "\"us\": 0.1");
        let error = PublicPrices::parse(&wrong).expect_err("no discount").to_string();
        assert!(error.starts_with("geo, the factor of region us: expected 1 to 10"), "{error}");
    }

    #[test]
    fn what_is_no_table_or_no_price_is_refused_by_name() {
        for (text, expected) in [
            ("[1]", "not a JSON object"),
            (
                r#"{"m": {"litellm_provider": "openai", "input_cost_per_token": 2.5,
                    "output_cost_per_token": 1e-6}}"#,
                "m, input_cost_per_token: expected US dollars a token, 0 to 1; it is 2.5",
            ),
            (
                r#"{"m": {"litellm_provider": "openai", "input_cost_per_token": "free",
                    "output_cost_per_token": 1e-6}}"#,
                "m, input_cost_per_token: expected US dollars a token, 0 to 1; it is \"free\"",
            ),
        ] {
            let error = PublicPrices::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
