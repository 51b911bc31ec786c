//! The floors of the house: which module may name which (ARCHITECTURE.md, "The modules"), read from the
//! sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with those that it may name; two on one row never meet.
const ARROWS: [(&str, &[&str]); 19] = [
    ("kernels", &[]),
    ("sentiment", &[]),
    ("pricing", &[]),
    ("json", &[]),
    ("mask", &[]),
    ("private", &[]),
    ("webhook", &["json", "mask"]),
    ("classifier", &["sentiment", "pricing", "kernels"]),
    ("cache", &[]),
    ("trends", &["sentiment"]),
    ("llm", &["json", "mask", "sentiment", "pricing"]),
    ("store", &["mask", "sentiment", "pricing", "private", "trends"]),
    ("cascade", &["classifier", "llm", "cache", "sentiment", "pricing"]),
    ("access", &["mask", "pricing", "store", "webhook"]),
    ("evaluation", &["sentiment", "pricing"]),
    (
        "app",
        &[
            "json",
            "mask",
            "sentiment",
            "pricing",
            "private",
            "kernels",
            "classifier",
            "cache",
            "trends",
            "webhook",
            "llm",
            "store",
            "cascade",
            "access",
        ],
    ),
    ("http", &["json", "app", "sentiment", "pricing", "trends"]),
    ("stream", &["json", "app", "http", "sentiment", "pricing", "trends"]),
    (
        "cli",
        &["json", "mask", "app", "http", "stream", "evaluation", "sentiment", "pricing", "private"],
    ),
];

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

#[test]
fn no_module_names_one_that_stands_above_it() {
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(module) = module_of(&file) else { continue };
        let Some(allowed) = allowed(&module) else {
            wrong.push(format!("{}: {module} has no row in the table", file.display()));
            continue;
        };
        let text = fs::read_to_string(source_root().join(&file)).expect("a source can be read");
        for name in named_modules(&text, &file) {
            if name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: {module} must not name {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_source_opens_with_what_it_owns() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|file| file.as_path() != Path::new("main.rs"))
        .filter(|file| {
            let text = fs::read_to_string(source_root().join(file)).expect("a source can be read");
            !text.starts_with("//! ")
        })
        .collect();
    assert!(silent.is_empty(), "no word on what they own: {silent:?}");
}

#[test]
fn no_source_grows_past_four_hundred_lines_of_program() {
    for file in sources() {
        let text = fs::read_to_string(source_root().join(&file)).expect("a source can be read");
        let program = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(
            program <= 400,
            "{} has {program} lines: move a responsibility out",
            file.display()
        );
    }
}

/// What a bare machine lacks, by what a test names of it.
const NEEDS: [(&str, &[&str]); 4] = [
    ("PostgreSQL", &["Database::new()", "Server::start"]),
    ("Kafka", &["Broker::shared()", "Broker::start()"]),
    ("a browser", &["Page::open("]),
    ("strace", &["Watch::over("]),
];

/// `make test` passes on a bare machine; `make test-all` runs the others.
#[test]
fn a_test_that_needs_more_than_building_does_is_ignored_with_the_reason() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = sources().iter().map(|file| source_root().join(file)).collect();
    for folder in ["tests/suite", "tests/suite/reckoning"] {
        let entries = fs::read_dir(repository.join(folder)).expect("the suite can be read");
        files.extend(entries.map(|entry| entry.expect("the suite can be read").path()));
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    let mut found = 0;
    let mut bare = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("house.rs")) {
        let text = fs::read_to_string(file).expect("a source can be read");
        // What follows `#[test]` or `#[tokio::test]`, up to the next one.
        for test in text.split("#[tokio::test").flat_map(|part| part.split("#[test")).skip(1) {
            let end = test.find("\n}\n").unwrap_or(test.len());
            let test = &test[..end];
            let is_needed =
                |(_, names): &&(&str, &[&str])| names.iter().any(|name| test.contains(name));
            for (what, _) in NEEDS.iter().filter(is_needed) {
                found += 1;
                let reason = test.lines().find(|line| line.trim().starts_with("#[ignore = "));
                if !reason.is_some_and(|line| line.contains(what) && line.contains("make test-all"))
                {
                    let head = test.lines().find(|line| line.contains("fn ")).unwrap_or_default();
                    bare.push(format!("{}: {head}: needs {what}", file.display()));
                }
            }
        }
    }
    assert!(found > 30, "the tests are found: {found}");
    assert!(bare.is_empty(), "without a reason to be ignored:\n{}", bare.join("\n"));
}

#[test]
fn arrows_are_read_from_every_form_that_names_a_module() {
    let file = Path::new("llm/openai.rs");
    for (text, expected) in [
        ("use crate::pricing::Usd;", &["pricing"][..]),
        ("use crate::{pricing::{Usd, Usage}, sentiment::Label};", &["pricing", "sentiment"]),
        ("use crate::{\n    pricing::Usd,\n    store,\n};", &["pricing", "store"]),
        ("pub(crate) use crate::store as shop;", &["store"]),
        ("let x = crate::store::open();", &["store"]),
        ("fn f(x: &crate::app::App) {}", &["app"]),
        ("use super::super::store::Store;", &["store"]),
        ("use super::retry::Retry;", &[]),
        ("// use crate::store::Store;", &[]),
        ("/// See [`crate::store`].", &[]),
        ("//! Leaves to `crate::store` what it owns.", &[]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(named_modules(text, file), expected, "{text}");
    }
    assert_eq!(module_of(Path::new("cache.rs")), Some("cache".to_owned()));
    assert_eq!(module_of(Path::new("llm/openai.rs")), Some("llm".to_owned()));
    assert_eq!(module_of(Path::new("lib.rs")), None);
}

pub(crate) fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source, relative to `src`.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![source_root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(source_root()).expect("it is in src").to_owned());
            }
        }
    }
    assert!(found.len() > 10, "the sources are found");
    found
}

/// The module on the ground floor that a file belongs to; none for `lib.rs` and `main.rs`.
fn module_of(file: &Path) -> Option<String> {
    let first = file.components().next()?.as_os_str().to_str()?;
    match first.strip_suffix(".rs") {
        Some("lib" | "main") => None,
        Some(module) => Some(module.to_owned()),
        None => Some(first.to_owned()),
    }
}

/// The modules of the ground floor that a source names, in `use` lines and in paths.
fn named_modules(text: &str, file: &Path) -> BTreeSet<String> {
    let program: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut found = BTreeSet::new();
    for (at, root) in program.match_indices("crate::") {
        found.extend(heads(&program[at + root.len()..]));
    }
    // `super` often enough leaves the module too.
    let inner = file.file_name().is_some_and(|name| name != "mod.rs");
    let depth = file.components().count() - usize::from(!inner);
    let escape = "super::".repeat(depth);
    for (at, way) in program.match_indices(&escape) {
        let rest = &program[at + way.len()..];
        let known = |name: &String| allowed(name).is_some();
        found.extend(heads(rest).into_iter().filter(known));
    }
    found
}

/// The first names of a path, or of each path in braces.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(list) = path.strip_prefix('{') else { return vec![word(path)] };
    let mut heads = vec![word(list)];
    let mut depth = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(&list[at + 1..])),
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}
