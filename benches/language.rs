//! How often English is taken for another language or for no text at all, however it is spelt; how often
//! another language is taken for English, by language and length; how many pieces of programs are known for
//! what they are; and what telling costs. Beside each stands whichlang alone.
//!
//! `cargo bench --bench language -- FILE…` reads JSON lines with the field `text` and, where it is not English,
//! `language`; without any files, those in `examples/training`. The tables beside this file are always read. The
//! time is that of the check alone: the tokens that it looks at are there anyway, since the model reads them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use tokenizers::Encoding;
use undertone::app::Config;
use undertone::classifier::{
    Encoder, Evidence, Familiarity, Language, ModelFolder, Spelling, out_of_domain,
};
use whichlang::Lang;

/// How many words of a text are read, where not all are.
const LENGTHS: [usize; 4] = [1, 2, 3, 5];

fn main() -> anyhow::Result<()> {
    let config = Config::load(None)?.classifier;
    let model = ModelFolder::read(&config.model, &config)?;
    let encoder = Encoder::load(&model.tokenizer).map_err(anyhow::Error::msg)?;
    let started = Instant::now();
    let spelling = Spelling::new(&encoder);
    let loaded = started.elapsed();
    let check = Check { encoder, spelling };

    let mut foreign: BTreeMap<String, Vec<String>> = BTreeMap::new();
    println!("English, in % taken for another language (whichlang alone), in % out of domain:");
    println!("{:>7}  {:24}  {:>14}  {:>6}  file", "texts", "", "other", "far");
    for file in files() {
        let rows = rows(&file).with_context(|| file.display().to_string())?;
        let (english, others): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(_, language)| language == "en");
        for (text, language) in others {
            foreign.entry(language).or_default().push(text);
        }
        let english: Vec<String> = english.into_iter().map(|(text, _)| text).collect();
        check.english(&english, &file.display().to_string())?;
    }
    check.table_of_english()?;
    check.foreign(&foreign)?;
    check.table_of_foreign()?;
    check.programs()?;
    check.time()?;
    println!("reading the vocabulary takes {:.1} ms", loaded.as_secs_f64() * 1e3);
    Ok(())
}

struct Check {
    encoder: Encoder,
    spelling: Spelling,
}

impl Check {
    fn language(&self, text: &str) -> anyhow::Result<(Language, bool)> {
        let tokens = self.encoder.encode(text)?;
        let evidence = Evidence::of(text, &tokens, &self.spelling);
        let language = Language::of(text, None, &evidence, &["en".to_owned()]);
        let familiarity = Familiarity::of(&tokens, self.encoder.unknown, &evidence);
        let is_far = out_of_domain(text, &language, familiarity) >= 0.5;
        Ok((language, is_far))
    }

    fn english(&self, texts: &[String], name: &str) -> anyhow::Result<()> {
        let as_they_are = |text: &String| Some(text.clone());
        self.line(texts.iter().filter_map(as_they_are), "as they are", name)?;
        for swaps in [1, 2] {
            let misspelt = texts.iter().map(|text| misspell(text, swaps));
            self.line(misspelt, &format!("{swaps} × letters swapped"), name)?;
        }
        for words in LENGTHS {
            let cut = texts.iter().filter_map(|text| beginning(text, words));
            self.line(cut, &format!("{words} words"), name)?;
        }
        Ok(())
    }

    fn line(
        &self,
        texts: impl Iterator<Item = String>,
        form: &str,
        name: &str,
    ) -> anyhow::Result<()> {
        let (mut all, mut other, mut alone, mut far) = (0, 0, 0, 0);
        for text in texts {
            let (language, is_far) = self.language(&text)?;
            all += 1;
            other += usize::from(!language.supported);
            alone += usize::from(whichlang::detect_language(&text) != Lang::Eng);
            far += usize::from(is_far);
        }
        if all > 0 {
            let [other, alone, far] = [other, alone, far].map(|count| percent(count, all));
            println!("{all:>7}  {form:24}  {other:>6.2} ({alone:>5.2})  {far:>6.2}  {name}");
        }
        Ok(())
    }

    fn table_of_english(&self) -> anyhow::Result<()> {
        let texts = include_str!("language/english.txt").lines();
        self.line(texts.clone().map(str::to_owned), "as they are", "english.txt")?;
        for text in texts {
            let (language, _) = self.language(text)?;
            if !language.supported {
                println!("         not English but {}: {text}", language.code);
            }
        }
        Ok(())
    }

    /// By language and length, how many texts are taken for English.
    fn foreign(&self, by_language: &BTreeMap<String, Vec<String>>) -> anyhow::Result<()> {
        if by_language.is_empty() {
            return Ok(());
        }
        println!(
            "\nOther languages, in % taken for English (whichlang alone), in % for another one:"
        );
        let heads = ["1 word", "2", "3", "5", "whole"].map(|head| format!("{head:>14}"));
        println!("{:>8} {:>6} {}  {:>8}", "", "texts", heads.concat(), "code");
        for (code, texts) in by_language {
            let mut line = format!("{code:>8} {:>6} ", texts.len());
            let mut wrong = 0;
            for words in LENGTHS.map(Some).into_iter().chain([None]) {
                let (mut all, mut missed, mut alone) = (0, 0, 0);
                for text in texts {
                    let cut = words.map_or(Some(text.clone()), |words| beginning(text, words));
                    let Some(text) = cut else { continue };
                    let (language, _) = self.language(&text)?;
                    all += 1;
                    missed += usize::from(language.supported);
                    alone += usize::from(whichlang::detect_language(&text) == Lang::Eng);
                    let is_other = !language.supported && !language.is(primary(code));
                    wrong += usize::from(words.is_none() && is_other);
                }
                let [missed, alone] = [missed, alone].map(|count| percent(count, all));
                line += &format!("  {missed:>5.1} ({alone:>4.1})");
            }
            println!("{line}  {:>8.1}", percent(wrong, texts.len()));
        }
        Ok(())
    }

    fn table_of_foreign(&self) -> anyhow::Result<()> {
        println!("\nforeign.tsv, what is not told rightly:");
        let (mut all, mut missed, mut wrong, mut alone) = (0, 0, 0, 0);
        for line in include_str!("language/foreign.tsv").lines() {
            let (code, text) = line.split_once('\t').context("a line has no tab")?;
            let (language, _) = self.language(text)?;
            all += 1;
            alone += usize::from(whichlang::detect_language(text) == Lang::Eng);
            missed += usize::from(language.supported);
            wrong += usize::from(!language.supported && language.code != code);
            if language.code != code {
                println!("  {code} is taken for {}: {text}", language.code);
            }
        }
        let [missed, alone, wrong] = [missed, alone, wrong].map(|count| percent(count, all));
        println!(
            "of {all} texts {missed:.1} % are taken for English (whichlang alone: {alone:.1} %), \
             {wrong:.1} % for another language"
        );
        Ok(())
    }

    fn programs(&self) -> anyhow::Result<()> {
        let pieces = pieces_of_programs()?;
        let mut known = 0;
        for piece in &pieces {
            known += usize::from(self.language(piece)?.1);
        }
        let share = percent(known, pieces.len());
        println!("\nof {} pieces of programs {share:.1} % are known as such", pieces.len());
        Ok(())
    }

    /// What telling the language of 20 words costs, tokens aside.
    fn time(&self) -> anyhow::Result<()> {
        let mut texts: Vec<(String, Encoding)> = Vec::new();
        for file in files() {
            for (text, _) in rows(&file)? {
                if let Some(text) = beginning(&text, 20) {
                    let tokens = self.encoder.encode(&text)?;
                    texts.push((text, tokens));
                }
            }
        }
        let each = |started: Instant| started.elapsed().as_secs_f64() * 1e6 / texts.len() as f64;
        let english = ["en".to_owned()];
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..5 {
            let started = Instant::now();
            for (text, tokens) in &texts {
                let evidence = Evidence::of(text, tokens, &self.spelling);
                std::hint::black_box(Language::of(text, None, &evidence, &english));
            }
            ours = ours.min(each(started));
            let started = Instant::now();
            for (text, _) in &texts {
                std::hint::black_box(whichlang::detect_language(text));
            }
            theirs = theirs.min(each(started));
        }
        println!(
            "of {} texts of 20 words each takes {ours:.1} µs, by whichlang alone {theirs:.1} µs",
            texts.len()
        );
        Ok(())
    }
}

fn primary(code: &str) -> &str {
    code.split('-').next().unwrap_or(code)
}

/// The first words of a text that has as many, mentions, hashtags and links aside.
fn beginning(text: &str, words: usize) -> Option<String> {
    let is_word = |word: &&str| {
        let is_name = word.starts_with(['@', '#']) || word.starts_with("http");
        !is_name && word.contains(char::is_alphabetic)
    };
    let first: Vec<&str> = text.split_whitespace().filter(is_word).take(words).collect();
    (first.len() == words).then(|| first.join(" "))
}

/// A text with neighbouring letters swapped so many times in every fifth of its longer words.
fn misspell(text: &str, swaps: usize) -> String {
    let mut long = 0;
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let mut letters: Vec<char> = word.chars().collect();
            if letters.len() < 4 || !letters.iter().all(|letter| letter.is_alphabetic()) {
                return word.to_owned();
            }
            long += 1;
            if long % 5 == 1 {
                for swap in 0..swaps {
                    let at = (long + 2 * swap) % (letters.len() - 1);
                    letters.swap(at, at + 1);
                }
            }
            letters.into_iter().collect()
        })
        .collect();
    words.join(" ")
}

fn percent(count: usize, all: usize) -> f64 {
    100.0 * count as f64 / all.max(1) as f64
}

/// Six lines each of this project's own sources, comments left out.
fn pieces_of_programs() -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in ["src", "training", "config", "migrations"] {
        collect(Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut pieces = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let is_code = |line: &&str| {
            let line = line.trim();
            !line.is_empty() && !["//", "#", "--"].iter().any(|mark| line.starts_with(mark))
        };
        let lines: Vec<&str> = text.lines().filter(is_code).collect();
        pieces.extend(lines.chunks_exact(6).map(|piece| piece.join("\n")));
    }
    Ok(pieces)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if path.is_dir() && !is_hidden && path.file_name().is_some_and(|name| name != "runs") {
            collect(&path, files)?;
        } else if matches!(extension, Some("rs" | "py" | "toml" | "sql")) {
            files.push(path);
        }
    }
    Ok(())
}

/// The files named, else the sample's. `cargo bench` itself passes `--bench`.
fn files() -> Vec<PathBuf> {
    let named: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(Into::into)
        .collect();
    if !named.is_empty() {
        return named;
    }
    let sample = |set| format!("examples/training/{set}/dev.jsonl").into();
    ["sentiment/dynasent", "emotion/goemotions", "aspects/mams"].map(sample).into()
}

/// Each text with its language.
fn rows(file: &PathBuf) -> anyhow::Result<Vec<(String, String)>> {
    let lines = BufReader::new(std::fs::File::open(file)?).lines();
    let row = |line: std::io::Result<String>| {
        let row: serde_json::Value = serde_json::from_str(&line?)?;
        let text = row["text"].as_str().context("a line has no text")?;
        Ok((text.to_owned(), row["language"].as_str().unwrap_or("en").to_owned()))
    };
    lines.map(row).collect()
}
