//! `undertone analyze --report`: a page that sums a file up, for a reader of sentiment.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::analyze::{Rows, cell, check_code, column, read, rows, texts, write};
use crate::double::{Double, Gate, Script};
use crate::gateway::Setup;

const ALL_TASKS: [&str; 2] = ["--task", "sentiment,aspects,emotions"];

fn page(setup: &Setup) -> String {
    String::from_utf8(read(setup, "report.html")).expect("a page is UTF-8")
}

/// Without the time at which it was made.
fn lasting(page: &str) -> String {
    let (before, rest) = page.split_once("<time").expect("it says when it was made");
    let (_, after) = rest.split_once("</time>").expect("it says when it was made");
    format!("{before}{after}")
}

/// The numbers beside a bar, by the bar's name.
fn numbers(page: &str, name: &str) -> Vec<String> {
    let row = page.split(&format!("<th scope=\"row\">{name}</th>")).nth(1).unwrap_or_default();
    let row = row.split("</tr>").next().unwrap_or_default();
    let cells = row.split("<td class=\"number\">").skip(1);
    cells.map(|cell| cell.split("</td>").next().unwrap_or_default().to_owned()).collect()
}

/// What is quoted, as text.
fn quotes(page: &str) -> Vec<String> {
    let quotes = page.split("<q dir=\"auto\">").skip(1);
    let inner = quotes.map(|quote| quote.split("</q>").next().unwrap_or_default());
    let entities =
        [("<mark>", ""), ("</mark>", ""), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\"")];
    inner
        .map(|quote| {
            let text =
                entities.iter().fold(quote.to_owned(), |text, (from, to)| text.replace(from, to));
            text.replace("&amp;", "&")
        })
        .collect()
}

fn count(rows: &Rows, name: &str, value: &str) -> usize {
    column(rows, name).iter().filter(|cell| *cell == value).count()
}

#[tokio::test]
async fn a_report_says_what_the_rows_come_to() {
    let setup = Setup::local();
    let reviews = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/reviews.csv");
    fs::copy(&reviews, setup.path("reviews.csv")).expect("the folder can be written");
    let files = ["analyze", "reviews.csv", "--output", "out.csv", "--report", "report.html"];
    let finished = setup.run(&[&files, ALL_TASKS.as_slice()].concat()).await;
    check_code(&finished, 0);
    let told = "undertone: the report is in report.html";
    assert!(finished.stderr.contains(told), "{}", finished.stderr);
    let (page, written) = (page(&setup), rows(&read(&setup, "out.csv")));
    let total = written.len() - 1;
    assert!(page.contains("<title>Sentiment report: reviews.csv</title>"), "{page}");
    assert!(page.contains(&format!("<dt>Texts</dt><dd><span class=\"value\">{total}</span>")));
    for label in ["positive", "neutral", "mixed", "negative"] {
        let expected = count(&written, "undertone_label", label);
        let shown = numbers(&page, label);
        assert_eq!(shown[0], expected.to_string(), "{label}: {shown:?}");
        let share = 100.0 * expected as f64 / total as f64;
        assert_eq!(shown[1], format!("{share:.0} %"), "{label}");
    }
    let emotions = page.split("<h2>Emotions</h2>").nth(1).expect("they have a section");
    for emotion in column(&written, "undertone_emotion") {
        let expected = count(&written, "undertone_emotion", &emotion);
        assert_eq!(numbers(emotions, &emotion)[0], expected.to_string(), "{emotion}");
    }
    let doubted = column(&written, "undertone_reasons");
    let doubted = doubted.iter().filter(|reasons| !reasons.is_empty()).count();
    assert_eq!(numbers(&page, "the local model, in doubt")[0], doubted.to_string());
    assert!(page.contains("since no LLM has a key"), "{page}");
    let all = column(&written, "text");
    let quotes = quotes(&page);
    assert!(quotes.len() > 5, "{quotes:?}");
    for quote in &quotes {
        let is_there = all.iter().any(|text| text.contains(quote.trim_matches('…')));
        assert!(is_there, "no text says: {quote}");
    }
    let terms = terms(&written);
    for marked in page.split("<mark>").skip(1) {
        let marked = marked.split("</mark>").next().unwrap_or_default();
        assert!(terms.iter().any(|term| term == marked), "{marked}: {terms:?}");
    }
    let left: Vec<_> = fs::read_dir(setup.path("."))
        .expect("the folder can be read")
        .map(|entry| entry.expect("the folder can be read").file_name())
        .filter(|name| name.to_string_lossy().contains("draft"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What the texts judge.
fn terms(written: &Rows) -> Vec<String> {
    let cells = column(written, "undertone_aspects");
    let aspects = cells.iter().flat_map(|cell| {
        let list: Value = serde_json::from_str(cell).expect("it is JSON");
        list.as_array().cloned().unwrap_or_default()
    });
    aspects.filter_map(|aspect| aspect["term"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn what_users_write_stays_text() {
    let setup = Setup::local();
    let hostile = [
        "The battery <script>alert(1)</script> is awful.",
        "The screen \"onload='alert(2)' & is terrible 💔😡!",
        "The <img src=x onerror=alert(3)> price is great!",
        "The camera is terrible --> </style></q></main> and slow 📷.",
    ];
    let lines: Vec<String> =
        hostile.iter().map(|text| serde_json::json!({ "text": text }).to_string()).collect();
    let name = "<script>.jsonl";
    write(&setup, name, lines.join("\n") + "\n{\"text\": 5}\n");
    let files = ["analyze", name, "--output", "out.jsonl", "--report", "report.html"];
    let finished = setup.run(&[&files, ALL_TASKS.as_slice()].concat()).await;
    check_code(&finished, 1);
    let page = page(&setup);
    for markup in ["<script", "<img", "\"onload=", "</q></main>", " style></q>"] {
        assert!(!page.contains(markup), "{markup}: {page}");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("</main>").count(), 1);
    for wanted in [
        "<title>Sentiment report: &lt;script&gt;.jsonl</title>",
        "<mark>battery</mark> &lt;script&gt;alert(1)&lt;/script&gt; is awful.",
        "💔😡",
        "line 5: the field &quot;text&quot; is not a string",
        "default-src 'none'",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    for quote in quotes(&page) {
        assert!(hostile.iter().any(|text| text.contains(quote.trim_matches('…'))), "{quote}");
    }
}

#[tokio::test]
async fn a_run_that_went_on_reports_what_an_unbroken_one_does() {
    let setup = Setup::local();
    let reviews = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/reviews.csv");
    let csv = fs::read(&reviews).expect("the example is there");
    write(&setup, "in.csv", [csv.as_slice(), b"20, ,web\n"].concat());
    let texts = column(&rows(&csv), "text");
    let lines = texts.iter().map(|text| serde_json::json!({ "text": text }).to_string() + "\n");
    write(&setup, "in.jsonl", lines.collect::<String>() + "nothing\n");
    for (input, output) in [("in.csv", "out.csv"), ("in.jsonl", "out.jsonl")] {
        let files = ["analyze", input, "--output", output, "--report", "report.html"];
        let command = [&files, ALL_TASKS.as_slice()].concat();
        check_code(&setup.run(&command).await, 1);
        let (written, expected) = (read(&setup, output), lasting(&page(&setup)));
        for cut in [0, written.len() / 2, written.len()] {
            write(&setup, output, &written[..cut]);
            fs::remove_file(setup.path("report.html")).expect("it was written");
            check_code(&setup.run(&command).await, 1);
            assert_eq!(lasting(&page(&setup)), expected, "{output} cut at {cut}");
        }
    }
}

#[tokio::test]
async fn an_interrupted_run_reports_so_far() {
    let double = Double::start().await;
    let setup = Setup::with(&double).providers(&["openai"]).escalating();
    write(&setup, "in.csv", texts(12));
    let gate = Gate::shut();
    double.otherwise(Script::answer("positive").behind(&gate));
    let command = [
        "analyze",
        "in.csv",
        "--output",
        "out.csv",
        "--report",
        "report.html",
        "--batch-size",
        "3",
    ];
    let mut child = setup.spawn(&command);
    double.arrived(3).await;
    let sent = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .expect("there is a shell");
    assert!(sent.success());
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.open();
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
    let so_far = page(&setup);
    assert!(so_far.contains("this page is of the first 3 texts"), "{so_far}");
    assert_eq!(numbers(&so_far, "an LLM")[0], "3");
    check_code(&setup.run(&command).await, 0);
    let whole = page(&setup);
    assert!(!whole.contains("So far."), "{whole}");
    assert_eq!(numbers(&whole, "positive"), ["12", "100 %", "76 to 100 %"]);
    assert_eq!(numbers(&whole, "an LLM")[0], "12");
    assert!(whole.contains("in doubt by gpt-4o"), "{whole}");
    assert!(whole.contains("did not ask what people like and dislike"), "{whole}");
    let costs = setup.run(&["costs", "--format", "json"]).await.json();
    let cost: f64 = costs["total"]["cost_usd"].as_str().unwrap().parse().unwrap();
    assert!(whole.contains(&format!("All calls together cost ${cost:.4}.")), "{cost}: {whole}");
    let written = rows(&read(&setup, "out.csv"));
    assert_eq!(cell(&written, 12, "undertone_label"), "positive");
}

#[tokio::test]
async fn a_report_that_could_not_be_written_is_told_before_anything_is_read() {
    let setup = Setup::local();
    write(&setup, "in.csv", texts(2));
    for (report, code, told) in [
        ("in.csv", 2, "is the input itself"),
        ("out.csv", 2, "is what --output names"),
        ("nowhere/report.html", 1, "cannot be written"),
        (".", 1, "is a folder"),
    ] {
        let command = ["analyze", "in.csv", "--output", "out.csv", "--report", report];
        let finished = setup.run(&command).await;
        check_code(&finished, code);
        assert!(finished.stderr.contains(told), "{report}: {}", finished.stderr);
        assert!(!setup.path("out.csv").exists(), "{report}");
    }
    let both = setup.run(&["analyze", "in.csv", "--estimate", "--report", "report.html"]).await;
    check_code(&both, 2);
}
