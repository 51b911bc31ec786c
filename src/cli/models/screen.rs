//! What a person sees while a model is pulled: one bar on a terminal, lines in a pipe.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Standard error, as a place for a progress bar and for notes.
pub struct Screen {
    bar: ProgressBar,
}

impl Screen {
    /// No bar unless standard error is a terminal.
    pub fn new() -> Screen {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        Screen { bar }
    }

    /// Begins the bar of `total` bytes in all.
    pub fn expect(&self, total: u64) {
        let style = ProgressStyle::with_template(
            "{msg:24!} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        );
        self.bar.set_style(style.expect("a template whose keys indicatif knows"));
        self.bar.set_length(total);
    }

    pub fn file(&self, name: &str) {
        self.bar.set_message(name.to_owned());
    }

    /// Bytes that are there, of the total; fewer than before where a file had to start over.
    pub fn arrived(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// A line above the bar.
    pub fn note(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

/// An error that is printed next stands alone.
impl Drop for Screen {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
