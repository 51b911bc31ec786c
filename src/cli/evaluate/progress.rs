//! What a person sees while it is measured: a bar for each strategy on a terminal, nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// One bar for so many texts.
pub fn bar(name: &str, texts: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{prefix:>20!} {wide_bar} {human_pos}/{human_len} {msg} {eta}";
    let style = ProgressStyle::with_template(style);
    let bar = ProgressBar::new(texts as u64);
    bar.set_style(style.expect("a template whose keys indicatif knows"));
    bar.set_prefix(name.to_owned());
    bar
}
