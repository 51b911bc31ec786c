//! New prices written into a book: rows are added, none is changed or removed, and what people wrote
//! around them stays.

use time::Date;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::litellm::{Listed, Listing, Offer, PublicPrices};
use super::price::{Price, Rates};
use super::{PriceBook, Service, Usd};

/// A price that differs from the one in force.
#[derive(Clone, Debug)]
pub struct Change {
    pub model: String,
    pub provider: &'static str,
    pub tier: &'static str,
    /// Where it holds, "" for anywhere: one, or with that the regions of the book that cost the same.
    pub regions: Vec<String>,
    /// Input and output, per million tokens; `None` where there was no price.
    pub before: Option<(Usd, Usd)>,
    pub after: (Usd, Usd),
    listing: Listing,
}

/// What adopting public prices comes to.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub changes: Vec<Change>,
    /// Models whose prices are those of the book.
    pub unchanged: Vec<String>,
    /// Models that the public table does not list.
    pub unlisted: Vec<String>,
}

/// Why a book cannot be amended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{model} has a price of the tier \"{tier}\" from {from} already: say a later day with --from"
    )]
    SameDay { model: String, tier: String, from: Date },
    #[error("the price book is not valid TOML: {0}")]
    Toml(#[from] toml_edit::TomlError),
    #[error("the price book's `model` is not a list of tables")]
    Form,
}

impl Changes {
    /// What the public prices change of these models from day `from` on.
    pub fn between(
        book: &PriceBook,
        public: &PublicPrices,
        models: &[String],
        from: Date,
    ) -> Result<Changes, Error> {
        let mut all = Changes::default();
        for name in models {
            let id = book.model(name).map_or(name, |entry| &entry.id);
            let Some(listed) = public.model(id).or_else(|| public.model(name)) else {
                all.unlisted.push(id.clone());
                continue;
            };
            let before = all.changes.len();
            for Offer { tier, region, listing } in &listed.offers {
                let price = book.price(id, Service { tier, region }, from);
                if price.is_some_and(|price| price.is(listing)) {
                    continue;
                }
                let mut regions = vec![(*region).to_owned()];
                if let Some(price) = price.filter(|_| region.is_empty()) {
                    regions.extend(like(price, book, listed, from));
                }
                let is_taken = |region: &String| {
                    let price = book.price(id, Service { tier, region }, from);
                    price.is_some_and(|price| price.from == from)
                };
                if regions.iter().any(is_taken) {
                    let (model, tier) = (id.clone(), (*tier).to_owned());
                    return Err(Error::SameDay { model, tier, from });
                }
                all.changes.push(Change {
                    model: id.clone(),
                    provider: listed.provider,
                    tier,
                    regions,
                    before: price.map(|price| (price.rates.input, price.rates.output)),
                    after: (listing.rates.input, listing.rates.output),
                    listing: listing.clone(),
                });
            }
            if all.changes.len() == before {
                all.unchanged.push(id.clone());
            }
        }
        Ok(all)
    }

    /// The text of a book with these prices added, each from day `from` on.
    pub fn added_to(&self, text: &str, from: Date) -> Result<String, Error> {
        let mut document: DocumentMut = text.parse()?;
        let models = document
            .entry("model")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
            .as_array_of_tables_mut()
            .ok_or(Error::Form)?;
        for change in &self.changes {
            let is_it =
                |table: &Table| table.get("id").and_then(Item::as_str) == Some(&change.model);
            if !models.iter().any(is_it) {
                let mut table = Table::new();
                table.insert("id", value(&change.model));
                table.insert("provider", value(change.provider));
                table.decor_mut().set_prefix("\n");
                models.push(table);
            }
            let table = models.iter_mut().find(|table| is_it(table)).ok_or(Error::Form)?;
            let prices = table
                .entry("price")
                .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
                .as_array_of_tables_mut()
                .ok_or(Error::Form)?;
            prices.push(row(change, from));
        }
        Ok(document.to_string())
    }
}

/// The regions that cost what is charged anywhere, and that the table says nothing of: they go on
/// costing the same.
fn like(price: &Price, book: &PriceBook, listed: &Listed, from: Date) -> Vec<String> {
    let is_listed = |region: &str| {
        let offers = listed.offers.iter();
        offers.clone().any(|offer| offer.tier == price.tier && offer.region == region)
    };
    let costs_the_same = |region: &str| {
        let other = book.price(&price.model, Service { region, ..price.service() }, from);
        other.is_some_and(|other| other.rates == price.rates && other.above == price.above)
    };
    let regions = book.model(&price.model).into_iter().flat_map(|entry| entry.regions());
    regions
        .filter(|region| !is_listed(region) && costs_the_same(region))
        .map(str::to_owned)
        .collect()
}

fn row(change: &Change, from: Date) -> Table {
    let mut row = Table::new();
    row.decor_mut().set_prefix("\n");
    let date = toml_edit::Datetime {
        date: Some(toml_edit::Date {
            year: from.year().unsigned_abs() as u16,
            month: from.month().into(),
            day: from.day(),
        }),
        time: None,
        offset: None,
    };
    row.insert("from", value(date));
    row.insert("tiers", value(Array::from_iter([change.tier])));
    match change.regions.as_slice() {
        [region] if region.is_empty() => {}
        [region] => {
            row.insert("region", value(region));
        }
        regions => {
            row.insert("region", value(regions.iter().collect::<Array>()));
        }
    }
    insert(&mut row, &change.listing.rates);
    if !change.listing.above.is_empty() {
        let mut above = ArrayOfTables::new();
        for (prompt_tokens, rates) in &change.listing.above {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            table.insert("prompt_tokens", value(i64::try_from(*prompt_tokens).unwrap_or(i64::MAX)));
            insert(&mut table, rates);
            above.push(table);
        }
        row.insert("above", Item::ArrayOfTables(above));
    }
    row
}

fn insert(table: &mut Table, rates: &Rates) {
    for (bucket, rate) in rates.buckets() {
        if let Some(rate) = rate {
            table.insert(bucket, value(rate.to_string()));
        }
    }
}

impl Price {
    fn is(&self, listing: &Listing) -> bool {
        self.rates == listing.rates && self.above == listing.above
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const BOOK: &str = "# Ours.\n[[model]]\nid = \"m-2026\"\naliases = [\"m\"]\nprovider = \"openai\"\n\
        \n# The first.\n[[model.price]]\nfrom = 2026-01-01\ntiers = [\"default\"]\ninput = \"1\"\noutput = \"2\"\n";

    fn public(input: &str) -> PublicPrices {
        let table = format!(
            r#"{{"m-2026": {{"litellm_provider": "openai", "input_cost_per_token": {input},
                "output_cost_per_token": 2e-06}},
                "new": {{"litellm_provider": "anthropic", "input_cost_per_token": 3e-06,
                "output_cost_per_token": 1.5e-05, "input_cost_per_token_above_200k_tokens": 6e-06,
                "output_cost_per_token_above_200k_tokens": 2e-05}}}}"#
        );
        PublicPrices::parse(&table).expect("a table")
    }

    fn changes(input: &str, models: &[&str], from: Date) -> Result<Changes, Error> {
        let book = PriceBook::parse(BOOK).expect("a book");
        let models: Vec<String> = models.iter().map(|&model| model.to_owned()).collect();
        Changes::between(&book, &public(input), &models, from)
    }

    #[test]
    fn a_changed_price_is_added_and_the_old_one_stays_with_its_comments() {
        let day = date!(2026 - 11 - 01);
        let changes = changes("1.1e-06", &["m", "new", "gone"], day).expect("they can be compared");
        assert_eq!(changes.unlisted, ["gone"]);
        let text = changes.added_to(BOOK, day).expect("it is TOML");
        assert!(text.starts_with(BOOK), "{text}");
        let book = PriceBook::parse(&text).expect("it stays a book");
        let input = |model, tier, at| {
            let price = book.price(model, Service::anywhere(tier), at);
            price.map(|price| price.rates.input.to_string())
        };
        assert_eq!(input("m", "default", date!(2026 - 10 - 31)).as_deref(), Some("1"));
        assert_eq!(input("m", "default", day).as_deref(), Some("1.1"));
        assert_eq!(input("new", "standard", day).as_deref(), Some("3"));
        let standard = Service::anywhere("standard");
        let long = book.worst_case("new", standard, day, 300_000, 0).expect("it has a price");
        assert_eq!(long.to_string(), "1.8");
    }

    #[test]
    fn a_region_follows_its_own_price_or_that_of_anywhere_if_it_cost_the_same() {
        let old = BOOK.replace(
            "tiers = [\"default\"]",
            "tiers = [\"default\"]\nregion = [\"\", \"eu\", \"jp\"]",
        );
        let table = r#"{"m-2026": {"litellm_provider": "openai", "input_cost_per_token": 2e-06,
            "output_cost_per_token": 4e-06, "regional_processing_uplift_multiplier_eu": 1.1}}"#;
        let public = PublicPrices::parse(table).expect("a table");
        let (book, day) = (PriceBook::parse(&old).expect("a book"), date!(2026 - 11 - 01));
        let changes = Changes::between(&book, &public, &["m".into()], day).expect("compared");
        let text = changes.added_to(&old, day).expect("it is TOML");
        let book = PriceBook::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        for (region, expected) in
            [("", Some("2")), ("eu", Some("2.2")), ("jp", Some("2")), ("us", None)]
        {
            let price = book.price("m", Service { tier: "default", region }, day);
            let input = price.map(|price| price.rates.input.to_string());
            assert_eq!(input.as_deref(), expected, "{region:?}");
        }
        let again = Changes::between(&book, &public, &["m".into()], day).expect("compared");
        assert!(again.changes.is_empty(), "{again:?}");
    }

    #[test]
    fn a_price_that_is_the_same_changes_nothing() {
        let changes = changes("1e-06", &["m"], date!(2026 - 11 - 01)).expect("compared");
        assert!(changes.changes.is_empty());
        assert_eq!(changes.unchanged, ["m-2026"]);
    }

    #[test]
    fn a_day_has_one_price() {
        let error = changes("3e-06", &["m"], date!(2026 - 01 - 01)).expect_err("it has one");
        assert!(
            error
                .to_string()
                .starts_with("m-2026 has a price of the tier \"default\" from 2026-01-01")
        );
    }
}
