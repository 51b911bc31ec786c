//! Every sentence that the program can say, as files that a person reviews: what the sources hold, and
//! what `--help` prints.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use undertone::cli::Cli;

use crate::house::{source_root, sources};

/// Words that open a statement of SQL, which no user reads.
const SQL: [&str; 15] = [
    "ALTER", "AND", "ATTACH", "BEGIN", "CREATE", "DELETE", "DROP", "FROM", "GROUP", "INSERT",
    "LOCK", "PRAGMA", "SELECT", "UPDATE", "WITH",
];

/// Words that texts are searched for, which the program says to nobody.
const LOOKED_FOR: &str = "classifier/boilerplate";

#[test]
fn every_message_is_in_the_reviewed_list() {
    let mut files = sources();
    files.sort();
    let mut list = String::new();
    for file in files {
        // What only tests say.
        if matches!(file.file_stem().and_then(|stem| stem.to_str()), Some("tests" | "testing"))
            || file.components().any(|part| part.as_os_str() == "tests")
            || file.starts_with(LOOKED_FOR)
        {
            continue;
        }
        let text = fs::read_to_string(source_root().join(&file)).expect("a source can be read");
        let tokens: TokenStream = text.parse().expect("a source that compiles is tokens");
        let mut found = Vec::new();
        collect(tokens, &mut found);
        if !found.is_empty() {
            list += &format!("\n{}\n", file.display());
            found.iter().for_each(|message| list += &format!("    {message}\n"));
        }
    }
    assert_reviewed("messages.txt", list.trim_start());
}

#[test]
fn every_help_text_is_in_the_reviewed_list() {
    let mut list = String::new();
    let mut command = Cli::command().term_width(100);
    command.build();
    help(&mut command, &mut list);
    assert_reviewed("help.txt", &list);
}

#[test]
fn messages_are_told_from_what_nobody_reads() {
    let found = |source: &str| {
        let mut found = Vec::new();
        collect(source.parse().expect("these are tokens"), &mut found);
        found
    };
    for (source, expected) in [
        (r#"bail!("the file is empty");"#, &["the file is empty"][..]),
        (r#"#[error("the key {0} is unknown")] Unknown(String)"#, &["the key {0} is unknown"]),
        (r#"let a = if x { "too long" } else { "too short" };"#, &["too long", "too short"]),
        (r#"say("one line \n and another")"#, &["one line \\n and another"]),
        (r#"let a = "utf-8";"#, &[]),
        (r#"let a = "SELECT id FROM attempts";"#, &[]),
        (r#"lock.expect("nobody panics while holding it")"#, &[]),
        ("//! What it owns.\n/// A comment about it.\nfn a() {}", &[]),
        (
            r#"#[cfg(test)] mod tests { fn a() { say("a sentence of a test") } } say("one more");"#,
            &["one more"],
        ),
    ] {
        assert_eq!(found(source), expected, "{source}");
    }
}

/// Compares with the file in `tests/reviewed`, or writes it.
fn assert_reviewed(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reviewed").join(name);
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        fs::write(&path, text).expect("the list can be written");
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    let line = |text: &str, at: usize| text.lines().nth(at).map(str::to_owned);
    if let Some(at) = (0..)
        .zip(text.lines())
        .find_map(|(at, said)| (line(&reviewed, at).as_deref() != Some(said)).then_some(at))
    {
        panic!(
            "tests/reviewed/{name}, line {}: reviewed is {:?}, the program says {:?}. Read what changed \
             as a user would who sees nothing else, then run: UPDATE_MESSAGES=1 cargo test --test suite messages",
            at + 1,
            line(&reviewed, at),
            line(text, at),
        );
    }
    assert_eq!(
        reviewed.lines().count(),
        text.lines().count(),
        "tests/reviewed/{name} lists what is gone"
    );
}

fn help(command: &mut clap::Command, list: &mut String) {
    if !list.is_empty() {
        list.push('\n');
    }
    let text = command.render_long_help().to_string();
    let name = command.get_display_name().unwrap_or(command.get_name());
    *list += &format!("# {}\n\n", name.replace('-', " "));
    text.lines().for_each(|line| *list += &format!("{}\n", line.trim_end()));
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        help(inner, list);
    }
}

/// The string literals that a person may come to read, in their order.
fn collect(tokens: TokenStream, found: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                tokens.next_if(
                    |next| matches!(next, TokenTree::Punct(mark) if mark.as_char() == '!'),
                );
                let Some(TokenTree::Group(group)) =
                    tokens.next_if(|next| matches!(next, TokenTree::Group(_)))
                else {
                    continue;
                };
                let attribute = group.stream().to_string().replace(' ', "");
                if attribute == "cfg(test)" {
                    // The item that it stands before.
                    let _ = tokens.by_ref().find(ends_item);
                } else if !attribute.starts_with("doc=") {
                    collect(group.stream(), found);
                }
            }
            // Reasons why something cannot fail are for readers of the sources.
            TokenTree::Ident(name) if name == "expect" => {
                tokens.next_if(|next| matches!(next, TokenTree::Group(_)));
            }
            // An instruction of the processor's.
            TokenTree::Ident(name) if name == "asm" => {
                tokens.next_if(|next| matches!(next, TokenTree::Punct(_)));
                tokens.next_if(|next| matches!(next, TokenTree::Group(_)));
            }
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Literal(literal) => found.extend(message(literal)),
            TokenTree::Punct(_) | TokenTree::Ident(_) => {}
        }
    }
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    }
}

fn message(literal: Literal) -> Option<String> {
    let syn::Lit::Str(text) = syn::Lit::new(literal) else { return None };
    let text = text.value();
    let first = text.split_whitespace().next()?;
    let is_word = |word: &&str| word.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    let words = text.split_whitespace().filter(is_word).count();
    let is_read = words >= 2 && !SQL.contains(&first);
    is_read.then(|| text.replace('\n', "\\n"))
}
