//! The price book: which models there are, what they cost since when, and when they retire.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use serde::{Deserialize, Deserializer};
use time::Date;

use super::price::{Price, Rates};
use super::{Service, Usd};

/// Prices and retirement dates by model, read from TOML; `config/prices.toml` explains its form.
#[derive(Clone, Debug)]
pub struct PriceBook {
    models: Vec<ModelEntry>,
    /// Where each id and each alias stands in `models`.
    by_name: HashMap<String, usize>,
    served: Served,
    version: String,
}

/// The tiers that a requested tier may be served as, by provider and requested name.
type Served = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// One model and all its prices.
#[derive(Clone, Debug)]
pub struct ModelEntry {
    pub id: String,
    /// Other names of the same model.
    pub aliases: Vec<String>,
    pub provider: String,
    /// The first day on which the provider no longer serves it.
    pub retires: Option<Date>,
    /// The latest first, so that the first that has begun is the one that applies.
    prices: Vec<Price>,
}

/// Why a text is no price book.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the price book is not valid TOML: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("price book, {model}, {field}: {message}")]
    Model {
        /// The model's id, or its place where it has none.
        model: String,
        field: String,
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookText {
    #[serde(default)]
    served: Served,
    /// Read one by one, so that an error can name the model.
    model: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelText {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    provider: String,
    #[serde(default, deserialize_with = "some_date")]
    retires: Option<Date>,
    price: Vec<PriceText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceText {
    #[serde(deserialize_with = "date")]
    from: Date,
    tiers: Vec<String>,
    #[serde(default)]
    region: Regions,
    // The fields of `Rates`, spelled out: serde's flatten would give up naming unknown ones.
    input: Usd,
    cache_read: Option<Usd>,
    cache_write_5m: Option<Usd>,
    cache_write_1h: Option<Usd>,
    output: Usd,
    #[serde(default)]
    above: Vec<AboveText>,
}

/// One region, or several with the same prices; none: the price holds where no region is named.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a region such as \"eu\", or a list of regions")]
enum Regions {
    One(String),
    Several(Vec<String>),
}

impl Default for Regions {
    fn default() -> Regions {
        Regions::One(String::new())
    }
}

impl Regions {
    fn into_list(self) -> Vec<String> {
        match self {
            Regions::One(region) => vec![region],
            Regions::Several(regions) => regions,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AboveText {
    prompt_tokens: u64,
    input: Usd,
    cache_read: Option<Usd>,
    cache_write_5m: Option<Usd>,
    cache_write_1h: Option<Usd>,
    output: Usd,
}

impl PriceBook {
    /// The book that the program ships with.
    pub fn built_in() -> PriceBook {
        PriceBook::parse(include_str!("../../config/prices.toml"))
            .expect("the built-in price book parses: a test holds it")
    }

    pub fn parse(text: &str) -> Result<PriceBook, Error> {
        let book: BookText = toml::from_str(text)?;
        let version = blake3::hash(text.as_bytes()).to_hex()[..8].to_owned();
        let mut models = Vec::with_capacity(book.model.len());
        let mut by_name = HashMap::new();
        for (place, table) in book.model.into_iter().enumerate() {
            let entry = entry(place, table, &version)?;
            for name in entry.aliases.iter().chain([&entry.id]) {
                if by_name.insert(name.clone(), place).is_some() {
                    let message = format!("\"{name}\" already names a model");
                    return Err(Error::model(&entry.id, "id or aliases", message));
                }
            }
            models.push(entry);
        }
        Ok(PriceBook { models, by_name, served: book.served, version })
    }

    /// A short hash of the text, so that a cost on the ledger can be computed again.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The entry of that id or alias.
    pub fn model(&self, name: &str) -> Option<&ModelEntry> {
        self.by_name.get(name).map(|place| &self.models[*place])
    }

    pub fn models(&self) -> impl Iterator<Item = &ModelEntry> {
        self.models.iter()
    }

    /// The first day on which the model, by id or alias, is no longer served, where that is known.
    pub fn retires(&self, model: &str) -> Option<Date> {
        self.model(model)?.retires
    }

    /// The price on day `at` (UTC) of a model, by id or alias, served as the response says. What is
    /// served in a region has the price of that region or none.
    pub fn price(&self, model: &str, service: Service<'_>, at: Date) -> Option<&Price> {
        self.model(model)?.price(service, at)
    }

    /// The tiers that one which a request asks for may be served as.
    pub fn served<'a>(&'a self, provider: &str, tier: &'a str) -> Vec<&'a str> {
        match self.served.get(provider).and_then(|served| served.get(tier)) {
            Some(served) => served.iter().map(String::as_str).collect(),
            None => vec![tier],
        }
    }

    /// The most that a call can cost which asks for that service: all input in the dearest bucket, at
    /// the dearest rates and the dearest tier that it may be served at. `None` where one of these
    /// tiers has no price.
    pub fn worst_case(
        &self,
        model: &str,
        asked: Service<'_>,
        at: Date,
        input_tokens: u64,
        output_tokens: u64,
    ) -> Option<Usd> {
        let entry = self.model(model)?;
        let cost = |tier| {
            let price = entry.price(Service { tier, ..asked }, at)?;
            price.worst_case(input_tokens, output_tokens)
        };
        let served = self.served(&entry.provider, asked.tier).into_iter();
        served.map(cost).reduce(|dearest, next| Some(dearest?.max(next?))).flatten()
    }
}

impl ModelEntry {
    fn price(&self, service: Service<'_>, at: Date) -> Option<&Price> {
        self.prices.iter().find(|price| price.service() == service && price.from <= at)
    }

    /// The regions that have prices of their own.
    pub fn regions(&self) -> BTreeSet<&str> {
        let regions = self.prices.iter().map(|price| price.region.as_str());
        regions.filter(|region| !region.is_empty()).collect()
    }
}

impl Error {
    fn model(model: &str, field: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Model { model: model.to_owned(), field: field.into(), message: message.into() }
    }
}

fn entry(place: usize, table: toml::Table, version: &str) -> Result<ModelEntry, Error> {
    let model = match table.get("id").and_then(toml::Value::as_str) {
        Some(id) => id.to_owned(),
        None => format!("model number {}", place + 1),
    };
    let text: ModelText =
        serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
            let (field, message) = (error.path().to_string(), error.into_inner().to_string());
            Error::model(&model, field, message.trim_end())
        })?;
    let mut prices: Vec<Price> = Vec::new();
    for (row, text) in text.price.into_iter().enumerate() {
        for price in text.prices(&model, &format!("price[{row}]"), version)? {
            let same =
                |other: &Price| other.service() == price.service() && other.from == price.from;
            if prices.iter().any(same) {
                let place = match price.region.as_str() {
                    "" => String::new(),
                    region => format!(" in region \"{region}\""),
                };
                let message =
                    format!("tier \"{}\" has two prices{place} from that day", price.tier);
                return Err(Error::model(&model, format!("price[{row}].from"), message));
            }
            prices.push(price);
        }
    }
    prices.sort_by_key(|price| std::cmp::Reverse(price.from));
    let ModelText { id, aliases, provider, retires, .. } = text;
    Ok(ModelEntry { id, aliases, provider, retires, prices })
}

impl PriceText {
    /// The row's price, once a tier and region.
    fn prices(self, model: &str, field: &str, book: &str) -> Result<Vec<Price>, Error> {
        let error =
            |key: &str, message: &str| Err(Error::model(model, format!("{field}.{key}"), message));
        let rates = Rates {
            input: self.input,
            cache_read: self.cache_read,
            cache_write_5m: self.cache_write_5m,
            cache_write_1h: self.cache_write_1h,
            output: self.output,
        };
        let above: Vec<(u64, Rates)> = self.above.into_iter().map(AboveText::rates).collect();
        if !above.is_sorted_by(|(one, _), (next, _)| one < next) {
            return error("above", "prompt_tokens must ascend from one entry to the next");
        }
        for (bucket, rate) in
            above.iter().flat_map(|(_, rates)| rates.buckets()).chain(rates.buckets())
        {
            if !AMOUNTS.contains(&rate.unwrap_or_default()) {
                return error(bucket, "expected US dollars per million tokens, 0 to 1000000");
            }
        }
        if self.tiers.is_empty() {
            return error("tiers", "name at least one service tier");
        }
        let regions = self.region.into_list();
        if regions.is_empty() {
            return error("region", "name a region, or leave it out");
        }
        let price = |tier: &String, region: &String| Price {
            model: model.to_owned(),
            tier: tier.clone(),
            region: region.clone(),
            from: self.from,
            book: book.to_owned(),
            rates: rates.clone(),
            above: above.clone(),
        };
        let of_tier = |tier| regions.iter().map(move |region| (tier, region));
        let all = self.tiers.iter().flat_map(of_tier);
        Ok(all.map(|(tier, region)| price(tier, region)).collect())
    }
}

/// A dollar a token is beyond any model: a figure outside is a slip of units.
const AMOUNTS: RangeInclusive<Usd> = Usd::ZERO..=Usd::from_pico(1_000_000_000_000_000_000);

impl AboveText {
    fn rates(self) -> (u64, Rates) {
        let AboveText { prompt_tokens, input, cache_read, cache_write_5m, cache_write_1h, output } =
            self;
        (prompt_tokens, Rates { input, cache_read, cache_write_5m, cache_write_1h, output })
    }
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let expected = || serde::de::Error::custom("expected a date such as 2026-11-01");
    let written = toml::value::Datetime::deserialize(deserializer)?;
    if written.time.is_some() || written.offset.is_some() {
        return Err(expected());
    }
    let date = written.date.ok_or_else(expected)?;
    let month = time::Month::try_from(date.month).map_err(|_| expected())?;
    Date::from_calendar_date(date.year.into(), month, date.day).map_err(|_| expected())
}

fn some_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    date(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2026 - 11 - 20);

    #[test]
    fn the_built_in_book_prices_every_model_by_id_and_alias() {
        let book = PriceBook::built_in();
        assert_eq!(book.models().count(), 15);
        for model in book.models() {
            let tier = if model.provider == "openai" { "default" } else { "standard" };
            for name in model.aliases.iter().chain([&model.id]) {
                let service = Service::anywhere(tier);
                assert!(book.price(name, service, TODAY).is_some(), "{name}");
            }
        }
        let price = |model, tier, at| book.price(model, Service::anywhere(tier), at);
        assert_eq!(price("gpt-4o", "flex", TODAY), None);
        assert_eq!(price("gpt-5", "default", TODAY), None);
        assert_eq!(price("gpt-6-luna", "default", date!(2026 - 10 - 31)), None);
    }

    #[test]
    fn retirement_dates_are_found_by_alias_too() {
        let book = PriceBook::built_in();
        for model in ["gpt-4o", "gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"] {
            assert_eq!(book.retires(model), Some(date!(2027 - 01 - 14)), "{model}");
        }
        assert_eq!(book.retires("gpt-6-luna"), None);
    }

    #[test]
    fn a_worst_case_takes_the_dearest_bucket_rate_and_tier() {
        let book = PriceBook::built_in();
        let worst = |model, tier, input, output| {
            let asked = Service::anywhere(tier);
            book.worst_case(model, asked, TODAY, input, output).map(|usd| usd.to_string())
        };
        for (model, tier, input, output, expected) in [
            ("gpt-4o", "default", 1_000, 200, Some("0.0045")),
            ("gpt-6-luna", "default", 1_000, 200, Some("0.000225")),
            ("claude-haiku-4-5", "standard_only", 1_000, 200, Some("0.003")),
            ("claude-haiku-5-5", "standard_only", 100_000, 0, Some("0.01")),
            ("claude-haiku-5-5", "standard_only", 100_001, 0, Some("0.0500005")),
            // `auto` may be served as `priority`, whose price is not known.
            ("gpt-4o", "auto", 1, 1, None),
            ("gpt-4o", "default", u64::MAX, u64::MAX, None),
            ("some-model", "default", 1, 1, None),
        ] {
            assert_eq!(worst(model, tier, input, output).as_deref(), expected, "{model} {tier}");
        }
    }

    /// A book of one model, `m`, with this text after its provider.
    fn book(rest: &str) -> Result<PriceBook, Error> {
        PriceBook::parse(&format!("[[model]]\nid = \"m\"\nprovider = \"p\"\n{rest}"))
    }

    fn row(from: &str, tiers: &str, input: &str) -> String {
        format!(
            "[[model.price]]\nfrom = {from}\ntiers = {tiers}\ninput = \"{input}\"\noutput = \"1\"\n"
        )
    }

    #[test]
    fn the_latest_price_that_has_begun_applies() {
        let rows = row("2026-01-01", "[\"t\", \"u\"]", "1") + &row("2026-06-01", "[\"t\"]", "2");
        let book = book(&rows).expect("a price book");
        let from = |tier, at| book.price("m", Service::anywhere(tier), at).map(|price| price.from);
        assert_eq!(from("t", date!(2025 - 12 - 31)), None);
        assert_eq!(from("t", date!(2026 - 05 - 31)), Some(date!(2026 - 01 - 01)));
        assert_eq!(from("t", date!(2026 - 06 - 01)), Some(date!(2026 - 06 - 01)));
        assert_eq!(from("u", date!(2026 - 06 - 01)), Some(date!(2026 - 01 - 01)));
    }

    #[test]
    fn what_is_served_in_a_region_has_that_regions_price_or_none() {
        let regional = |region: &str, input| row("2026-01-01", "[\"t\"]", input) + region;
        let rows = row("2026-01-01", "[\"t\"]", "1")
            + &regional("region = \"eu\"\n", "1.1")
            + &regional("region = [\"us\", \"jp\"]\n", "1.2");
        let book = book(&rows).expect("a price book");
        let price = |region| book.price("m", Service { tier: "t", region }, TODAY);
        let input = |region| price(region).map(|price| price.rates.input.to_string());
        for (region, expected) in [
            ("", Some("1")),
            ("eu", Some("1.1")),
            ("us", Some("1.2")),
            ("jp", Some("1.2")),
            ("in", None),
        ] {
            assert_eq!(input(region).as_deref(), expected, "{region:?}");
            let asked = Service { tier: "t", region };
            let worst = book.worst_case("m", asked, TODAY, 1_000_000, 0);
            assert_eq!(worst.map(|usd| usd.to_string()).as_deref(), expected, "{region:?}");
        }
        let version = price("eu").expect("a price").version();
        assert!(version.starts_with("m/t/eu/2026-01-01@"), "{version}");
    }

    #[test]
    fn the_built_in_book_has_the_uplift_of_the_regions_that_the_vendors_name() {
        let book = PriceBook::built_in();
        let prices = |model, tier, region| {
            let price = book.price(model, Service { tier, region }, TODAY)?;
            let (input, output) = price.input_and_output();
            Some((input.to_string(), output.to_string()))
        };
        let some = |input: &str, output: &str| Some((input.to_owned(), output.to_owned()));
        for (model, tier, region, expected) in [
            ("gpt-6-sol", "default", "eu", some("2.2", "11")),
            ("gpt-6-luna", "default", "us", some("0.11", "0.55")),
            ("gpt-4o", "default", "eu", some("2.5", "10")),
            ("gpt-4o", "default", "mars", None),
            ("claude-haiku-5-5", "standard", "us", some("0.11", "0.55")),
            ("claude-sonnet-4-6", "standard", "us", some("3.3", "16.5")),
            ("claude-haiku-4-5", "standard", "us", None),
            ("claude-haiku-5-5", "standard", "eu", None),
        ] {
            assert_eq!(prices(model, tier, region), expected, "{model} in {region}");
        }
    }

    #[test]
    fn errors_name_the_model_and_the_field() {
        let tier = "[\"t\"]";
        for (rest, expected) in [
            (row("2026-01-01", tier, "free"), "price book, m, price[0].input: expected US dollars"),
            (row("2026-01-01", tier, "-1"), "price book, m, price[0].input: expected US dollars"),
            (row("2026-01-01", tier, "1000001"), "price book, m, price[0].input: expected US"),
            (row("2026-02-30", tier, "1"), "the price book is not valid TOML"),
            (row("07:00:00", tier, "1"), "price book, m, price[0].from: expected a date"),
            (row("2026-01-01", "[]", "1"), "price book, m, price[0].tiers: name at least one"),
            (
                row("2026-01-01", tier, "1").repeat(2),
                "price book, m, price[1].from: tier \"t\" has",
            ),
            (
                (row("2026-01-01", tier, "1") + "region = \"eu\"\n").repeat(2),
                "price book, m, price[1].from: tier \"t\" has two prices in region \"eu\"",
            ),
            (
                row("2026-01-01", tier, "1") + "region = 7",
                "price book, m, price[0].region: expected a",
            ),
            (
                row("2026-01-01", tier, "1") + "region = []",
                "price book, m, price[0].region: name a",
            ),
            (row("2026-01-01", tier, "1") + "inptu = 1", "price book, m, price[0].inptu: unknown"),
            ("aliases = [\"m\"]\nprice = []".into(), "price book, m, id or aliases: \"m\" already"),
            ("retires = 2027".into(), "price book, m, retires: "),
            ("".into(), "price book, m, .: missing field `price`"),
            ("[[model]]".into(), "price book, m, .: missing field `price`"),
        ] {
            let error = book(&rest).expect_err(&rest).to_string();
            assert!(error.starts_with(expected), "{rest}\n{error}");
        }
        let unnamed = PriceBook::parse("[[model]]\nprovider = \"p\"").expect_err("no id");
        assert!(unnamed.to_string().starts_with("price book, model number 1"), "{unnamed}");
    }
}
