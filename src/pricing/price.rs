//! One price of one model, and what a call costs at it.

use serde::Deserialize;
use time::Date;

use super::{Service, Usage, Usd};

/// US dollars per million tokens of each bucket; a bucket without a price cannot be paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rates {
    pub input: Usd,
    pub cache_read: Option<Usd>,
    pub cache_write_5m: Option<Usd>,
    pub cache_write_1h: Option<Usd>,
    pub output: Usd,
}

impl Rates {
    /// The price of each bucket, by the name that it has in a price book.
    pub fn buckets(&self) -> [(&'static str, Option<Usd>); 5] {
        [
            ("input", Some(self.input)),
            ("cache_read", self.cache_read),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
            ("output", Some(self.output)),
        ]
    }

    /// Each times a factor in millionths, to the picodollar.
    pub fn times(&self, factor: i64) -> Rates {
        let times = |rate: Usd| {
            let product = i128::from(rate.pico()) * i128::from(factor);
            round(product).unwrap_or(Usd::from_pico(i64::MAX))
        };
        Rates {
            input: times(self.input),
            cache_read: self.cache_read.map(times),
            cache_write_5m: self.cache_write_5m.map(times),
            cache_write_1h: self.cache_write_1h.map(times),
            output: times(self.output),
        }
    }

    fn cost(&self, usage: &Usage) -> Option<Usd> {
        let tokens = [
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.output,
        ];
        let bill = self.buckets().into_iter().zip(tokens).try_fold(0, |bill, ((_, rate), n)| {
            if n == 0 { Some(bill) } else { add(bill, n, rate?) }
        })?;
        round(bill)
    }

    fn worst_case(&self, input_tokens: u64, output_tokens: u64) -> Option<Usd> {
        let inputs = [Some(self.input), self.cache_read, self.cache_write_5m, self.cache_write_1h];
        let dearest = inputs.into_iter().flatten().max().unwrap_or(self.input);
        round(add(add(0, input_tokens, dearest)?, output_tokens, self.output)?)
    }
}

/// `bill`, in millionths of a picodollar, and `tokens` more at `rate`.
fn add(bill: i128, tokens: u64, rate: Usd) -> Option<i128> {
    i128::from(tokens).checked_mul(i128::from(rate.pico()))?.checked_add(bill)
}

/// Rounded half up to a picodollar: the only rounding that an attempt's cost undergoes.
fn round(bill: i128) -> Option<Usd> {
    i64::try_from(bill.checked_add(500_000)?.div_euclid(1_000_000)).ok().map(Usd::from_pico)
}

/// What one tier of one model costs in one region from one day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub(super) model: String,
    pub(super) tier: String,
    /// Empty: anywhere.
    pub(super) region: String,
    pub(super) from: Date,
    pub(super) book: String,
    pub(super) rates: Rates,
    /// Rates of the whole request where its prompt is longer than so many tokens; ascending.
    pub(super) above: Vec<(u64, Rates)>,
}

impl Price {
    /// What `usage` costs; `None` where a bucket in use has no price, or past 9.2 million dollars.
    pub fn cost(&self, usage: &Usage) -> Option<Usd> {
        self.rates(usage.prompt()).cost(usage)
    }

    /// What `calls` calls of one size cost that use `total` together. It differs from the cost of
    /// `total` as one call where prices depend on a prompt's length.
    pub fn cost_of_calls(&self, calls: u64, total: &Usage) -> Option<Usd> {
        self.rates(total.prompt().div_ceil(calls.max(1))).cost(total)
    }

    pub(super) fn service(&self) -> Service<'_> {
        Service { tier: &self.tier, region: &self.region }
    }

    /// The day (UTC) from which on it holds.
    pub fn from(&self) -> Date {
        self.from
    }

    /// US dollars per million tokens of a short prompt, and of output.
    pub fn input_and_output(&self) -> (Usd, Usd) {
        (self.rates.input, self.rates.output)
    }

    /// Which row of which price book this is: enough to compute a cost again.
    pub fn version(&self) -> String {
        let Price { model, tier, region, from, book, .. } = self;
        match region.as_str() {
            "" => format!("{model}/{tier}/{from}@{book}"),
            region => format!("{model}/{tier}/{region}/{from}@{book}"),
        }
    }

    /// The most that a call can cost whose prompt has up to `input_tokens`: all of it in the
    /// dearest bucket, at the dearest rates that a prompt of up to that length can have.
    pub(super) fn worst_case(&self, input_tokens: u64, output_tokens: u64) -> Option<Usd> {
        let above = self.above.iter().filter(|(limit, _)| input_tokens > *limit);
        std::iter::once(&self.rates)
            .chain(above.map(|(_, rates)| rates))
            .map(|rates| rates.worst_case(input_tokens, output_tokens))
            .try_fold(Usd::ZERO, |worst, cost| Some(worst.max(cost?)))
    }

    fn rates(&self, prompt_tokens: u64) -> &Rates {
        let above = self.above.iter().rev().find(|(limit, _)| prompt_tokens > *limit);
        above.map_or(&self.rates, |(_, rates)| rates)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::*;
    use crate::pricing::PriceBook;

    fn price(model: &str, tier: &str) -> Price {
        let book = PriceBook::built_in();
        let service = Service::anywhere(tier);
        book.price(model, service, date!(2026 - 11 - 20))
            .expect("the built-in book prices it")
            .clone()
    }

    fn usd(text: &str) -> Option<Usd> {
        Some(text.parse().expect("an amount"))
    }

    #[test]
    fn costs_are_those_computed_by_hand() {
        let plain = |input, output| Usage { input, output, ..Usage::default() };
        for (model, tier, usage, expected) in [
            ("gpt-4o-2024-08-06", "default", plain(143, 22), "0.0005775"),
            ("gpt-4o", "default", plain(0, 0), "0"),
            ("gpt-4o", "batch", plain(143, 22), "0.00028875"),
            ("gpt-4o", "default", Usage { cache_read: 1024, ..plain(7, 5) }, "0.0013475"),
            ("gpt-4o-mini", "default", Usage { cache_read: 1, ..plain(0, 0) }, "0.000000075"),
            ("gpt-6-luna", "default", Usage { cache_write_5m: 8, ..plain(1, 1) }, "0.0000016"),
            (
                "claude-sonnet-4-5",
                "standard",
                Usage {
                    cache_read: 10,
                    cache_write_5m: 100,
                    cache_write_1h: 1000,
                    ..plain(20, 30)
                },
                "0.006888",
            ),
            ("claude-haiku-5-5", "standard", plain(100_000, 10), "0.010005"),
            ("claude-haiku-5-5", "standard", plain(100_001, 10), "0.0500255"),
            (
                "claude-haiku-5-5",
                "standard",
                Usage { cache_read: 60_000, ..plain(60_000, 10) },
                "0.033025",
            ),
        ] {
            assert_eq!(price(model, tier).cost(&usage), usd(expected), "{model} {usage:?}");
        }
    }

    #[test]
    fn halves_of_a_picodollar_are_rounded_up_once() {
        let book = "[[model]]\nid = \"m\"\nprovider = \"p\"\n[[model.price]]\nfrom = 2026-01-01\n\
                    tiers = [\"t\"]\ninput = \"0.0000005\"\noutput = \"0.0000004\"";
        let book = PriceBook::parse(book).expect("a price book");
        let price =
            book.price("m", Service::anywhere("t"), date!(2026 - 01 - 01)).expect("a price");
        for (input, output, pico) in [(1, 0, 1), (0, 1, 0), (1, 1, 1), (2, 1, 1), (3, 0, 2)] {
            let usage = Usage { input, output, ..Usage::default() };
            assert_eq!(price.cost(&usage), Some(Usd::from_pico(pico)), "{usage:?}");
        }
    }

    #[test]
    fn a_bucket_without_a_price_and_a_bill_past_the_limit_have_no_cost() {
        let written = Usage { cache_write_5m: 1, ..Usage::default() };
        assert_eq!(price("gpt-4o", "default").cost(&written), None);
        let cached = Usage { cache_read: 1, ..Usage::default() };
        assert_eq!(price("gpt-4o", "batch").cost(&cached), None);
        let most = u64::MAX;
        let absurd = Usage {
            input: most,
            cache_read: most,
            cache_write_5m: most,
            cache_write_1h: most,
            output: most,
            reasoning: most,
        };
        assert_eq!(price("claude-sonnet-4-5", "standard").cost(&absurd), None);
    }

    #[test]
    fn many_small_calls_are_not_one_long_prompt() {
        let total = Usage { input: 1_000_000, output: 10_000, ..Usage::default() };
        let haiku = price("claude-haiku-5-5", "standard");
        assert_eq!(haiku.cost_of_calls(1_000, &total), usd("0.105"));
        assert_eq!(haiku.cost_of_calls(1, &total), haiku.cost(&total));
        assert_eq!(haiku.cost(&total), usd("0.525"));
    }

    #[test]
    fn a_version_names_model_tier_day_and_book() {
        let book = PriceBook::built_in();
        let expected = format!("gpt-4o-2024-08-06/default/2024-10-01@{}", book.version());
        assert_eq!(price("gpt-4o", "default").version(), expected);
    }

    fn usages(limit: u64) -> impl Strategy<Value = Usage> {
        proptest::array::uniform5(0..limit).prop_map(|[input, read, short, long, output]| Usage {
            input,
            cache_read: read,
            cache_write_5m: short,
            cache_write_1h: long,
            output,
            reasoning: 0,
        })
    }

    proptest! {
        #[test]
        fn cost_never_falls_with_use_and_adds_up_within_rounding(
            one in usages(1 << 30), other in usages(1 << 30),
        ) {
            let price = price("claude-opus-4-8", "standard");
            let cost = |usage: &Usage| price.cost(usage).expect("within the limit").pico();
            let (first, second, both) = (cost(&one), cost(&other), cost(&(one + other)));
            prop_assert!(both >= first && both >= second);
            prop_assert!((both - first - second).abs() <= 1);
        }

        #[test]
        fn no_call_costs_more_than_its_worst_case(usage in usages(60_000)) {
            for (model, tier) in [("claude-haiku-5-5", "standard"), ("gpt-4o", "default"),
                                  ("claude-sonnet-4-6", "standard"), ("gpt-6-sol", "default")] {
                let price = price(model, tier);
                let worst = price.worst_case(usage.prompt(), usage.output).expect("a worst case");
                prop_assert!(price.cost(&usage).is_none_or(|cost| cost <= worst));
            }
        }

        #[test]
        fn no_usage_panics(usage in usages(u64::MAX)) {
            let price = price("claude-haiku-5-5", "standard");
            let _ = price.cost(&usage);
            let _ = price.worst_case(usage.prompt(), usage.output);
        }
    }
}
