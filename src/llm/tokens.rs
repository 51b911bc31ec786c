//! What requests and answers come to in tokens, and what each setting adds: tokens are money. The
//! table in `prompts/TOKENS.md` is what this prints; the test keeps the two in step.

use std::fmt::Write;
use std::sync::Arc;

use tiktoken_rs::o200k_base_singleton;

use super::config::{Abilities, Config};
use super::manner::Manner;
use super::models::Model;
use super::structured::Dialect;
use super::testing::SHIPPED;
use super::{Hint, Question, prompt};
use crate::pricing::{PriceBook, Service, Usage};
use crate::sentiment::{Category, Label, Reason, Task};

/// Of the kind that is escalated, 11 to 24 words each.
const TEXTS: [&str; 8] = [
    "Great, the third replacement in a month and it squeaks exactly like the first two. I could not be happier.",
    "The room had a lovely view of the lake, but the walls are so thin that we heard every word from next door.",
    "I expected more for that price, though I have to admit that it does what it says.",
    "Oh sure, put me on hold again, it is not as if I had a job to go to.",
    "The camera is the best that I have owned. The menu was designed by somebody who hates photographers.",
    "It arrived on Tuesday, a day later than promised, and the box was open at one side.",
    "My daughter loves it and wears it every day, I think that it looks cheap and the zip already sticks.",
    "Not bad at all for a first attempt, but I would wait for the next version.",
];

/// A usual answer about one text.
fn answer(task: Task) -> &'static str {
    match task {
        Task::Sentiment => r#"{"sarcasm":"no","label":"mixed","certainty":"certain"}"#,
        Task::Emotions => {
            r#"{"sarcasm":"no","emotions":["disappointment","annoyance"],"strong":1,"label":"negative","certainty":"likely"}"#
        }
        Task::Aspects => {
            r#"{"sarcasm":"no","aspects":[{"term":"view of the lake","category":"product","sentiment":"positive","opinion":"lovely"},{"term":"walls","category":"quality","sentiment":"negative","opinion":"so thin"}],"label":"mixed","certainty":"certain"}"#
        }
    }
}

/// Bytes and tokens of a request without its frame, and tokens of its answer, a text.
struct Size {
    bytes: usize,
    input: usize,
    output: usize,
}

fn size(config: &Config, task: Task, categories: &Arc<[Category]>) -> Size {
    let tokens = |text: &str| o200k_base_singleton().encode_ordinary(text).len();
    let question = |text: &&str| Question {
        task,
        text: (*text).to_owned(),
        language: None,
        hint: config.hint.then(|| Hint {
            guesses: vec![(Label::Positive, 0.61), (Label::Mixed, 0.27)],
            reasons: vec![Reason::Sarcasm, Reason::Ambiguous],
        }),
        categories: Arc::clone(categories),
    };
    // Each text once, in as many calls as that takes.
    let questions: Vec<Question> = TEXTS.iter().map(question).collect();
    let model = Model { id: "m".into(), abilities: Abilities::default() };
    let manner = Manner::of(config);
    let mut sum = Size { bytes: 0, input: 0, output: 0 };
    for questions in questions.chunks(config.texts_per_call) {
        let schema = manner.schema(&model, questions, Dialect::OpenAi).expect("it is held to one");
        let said = [manner.system(&model, questions), prompt::user(questions), schema.to_string()];
        sum.bytes += said.iter().map(String::len).sum::<usize>();
        sum.input += said.iter().map(|part| tokens(part)).sum::<usize>();
        let one = answer(task);
        sum.output += match questions.len() {
            1 => tokens(one),
            several => {
                let indexed =
                    (1..=several).map(|at| one.replacen('{', &format!("{{\"index\":{at},"), 1));
                tokens(&format!("{{\"answers\":[{}]}}", indexed.collect::<Vec<_>>().join(",")))
            }
        };
    }
    let each = |sum: usize| sum.div_ceil(TEXTS.len());
    Size { bytes: each(sum.bytes), input: each(sum.input), output: each(sum.output) }
}

fn table() -> String {
    let shipped: toml::Table = SHIPPED.parse().expect("it is TOML");
    let categories: Vec<Category> =
        shipped["aspects"]["categories"].clone().try_into().expect("they are complete");
    let categories: Arc<[Category]> = categories.into();
    let book = PriceBook::built_in();
    let day = time::macros::date!(2026 - 11 - 20);
    let price = |model: &str, size: &Size| {
        let price = book
            .price(model, Service::anywhere("default"), day)
            .expect("the built-in book prices it");
        let usage = Usage {
            input: 1_000 * size.input as u64,
            output: 1_000 * size.output as u64,
            ..Usage::default()
        };
        price.cost(&usage).expect("it has a price").pico() as f64 / 1e12
    };
    let mut table = String::from(
        "# What a text costs in tokens\n\n\
         By the tokenizer of GPT-4o (o200k): prompt, message and schema of a request, and a usual answer, a \
         text,\nthe mean over eight texts of 11 to 24 words. Claude's tokenizer is another; the shares are \
         much the same. Nothing is cached.\nA test keeps this file true: \
         `UPDATE_TOKENS=1 cargo test --lib llm::tokens` writes it anew.\n",
    );
    type Change = fn(&mut Config);
    let settings: [(&str, Change); 7] = [
        ("as shipped", |_| {}),
        ("`llm.hint = false`", |config| config.hint = false),
        ("`llm.examples = false`", |config| config.examples = false),
        ("both", |config| (config.hint, config.examples) = (false, false)),
        ("`llm.texts_per_call = 2`", |config| config.texts_per_call = 2),
        ("`llm.texts_per_call = 4`", |config| config.texts_per_call = 4),
        ("`llm.texts_per_call = 8`", |config| config.texts_per_call = 8),
    ];
    for task in Task::ALL {
        let name = task.name();
        write!(
            table,
            "\n| {name} | bytes | tokens in | out | $ a 1,000, gpt-4o | gpt-6-luna |\n\
             |---|---|---|---|---|---|\n"
        )
        .expect("a string can be written");
        for (name, change) in settings {
            let mut config = Config::default();
            change(&mut config);
            let size = size(&config, task, &categories);
            let (dear, cheap) = (price("gpt-4o-2024-08-06", &size), price("gpt-6-luna", &size));
            let Size { bytes, input, output } = size;
            writeln!(table, "| {name} | {bytes} | {input} | {output} | {dear:.3} | {cheap:.4} |")
                .expect("a string can be written");
        }
    }
    table
}

#[test]
fn the_table_of_tokens_is_what_prompts_and_schemas_come_to() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/TOKENS.md");
    let table = table();
    println!("{table}");
    if std::env::var_os("UPDATE_TOKENS").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let remedy = "run: UPDATE_TOKENS=1 cargo test --lib llm::tokens";
    assert!(written == table, "prompts/TOKENS.md is not what this prints; {remedy}");
}
