//! Money as the tests compute it: whole picodollars from list prices, apart from the program's own
//! price book and arithmetic.

use crate::double::Tokens;

pub type Pico = i128;

const USD: Pico = 1_000_000_000_000;

/// US dollars a million tokens are this many picodollars a token.
const PER_MILLION: Pico = USD / 1_000_000;

/// List prices in thousandths of a dollar a million tokens: input, cached, written to the cache for
/// five minutes and for an hour, output. 0 where none is listed: such tokens must not occur.
const PRICES: [(&str, [Pico; 5]); 7] = [
    ("gpt-4o-2024-08-06", [2_500, 1_250, 0, 0, 10_000]),
    ("gpt-4o-mini-2024-07-18", [150, 75, 0, 0, 600]),
    ("gpt-6-luna", [100, 10, 125, 125, 500]),
    ("gpt-6-sol", [2_000, 200, 2_500, 2_500, 10_000]),
    ("claude-haiku-4-5-20251001", [1_000, 100, 1_250, 2_000, 5_000]),
    ("claude-sonnet-4-6", [3_000, 300, 3_750, 6_000, 15_000]),
    ("claude-haiku-5-5", [100, 10, 0, 0, 500]),
];

pub fn is_listed(model: &str) -> bool {
    PRICES.iter().any(|(name, _)| *name == model)
}

/// What the tokens cost at that model's list price.
pub fn cost(model: &str, tokens: &Tokens) -> Pico {
    let (_, price) = PRICES
        .iter()
        .find(|(name, _)| *name == model)
        .unwrap_or_else(|| panic!("no list price for {model}: add it to PRICES"));
    let counts = [
        tokens.input,
        tokens.cache_read,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.output,
    ];
    let thousandths = price.iter().zip(counts).map(|(price, count)| {
        assert!(*price > 0 || count == 0, "{model} has no list price for some of {tokens:?}");
        price * Pico::from(count)
    });
    thousandths.sum::<Pico>() * PER_MILLION / 1_000
}

/// `577500000` is `"0.0005775"`.
pub fn decimal(pico: Pico) -> String {
    let (whole, fraction) = (pico / USD, pico % USD);
    let digits = format!("{whole}.{fraction:012}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The other way round; `None` for what is no such string.
pub fn pico(decimal: &str) -> Option<Pico> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let fraction = format!("{fraction:0<12}");
    (fraction.len() == 12)
        .then(|| Some(whole.parse::<Pico>().ok()? * USD + fraction.parse::<Pico>().ok()?))?
}

#[test]
fn the_contracts_own_example_comes_out() {
    let example = cost("gpt-4o-2024-08-06", &Tokens::of(143, 22));
    assert_eq!(decimal(example), "0.0005775");
    assert_eq!(pico("0.0005775"), Some(example));
    assert_eq!((decimal(0), pico("12"), pico("x")), ("0".to_owned(), Some(12 * USD), None));
}
