//! Which windows share a pass through the graph.

use super::sums::Sums;
use super::windows::Window;
use super::{Error, Model, ModelFolder};

/// The most tokens in a pass of several windows, the padding of the shorter ones included: a short
/// text beside a long one costs more as padding than it gains as company.
pub const PASS_TOKENS: usize = 512;

/// The rule for sharing a pass, as configured.
#[derive(Clone, Copy, Debug)]
pub struct Passes {
    pub batch_size: usize,
}

/// Some texts' windows, of which the first ones have been read.
pub struct Progress {
    texts: Vec<Vec<Window>>,
    /// The next window to read: its text, and its place there.
    next: (usize, usize),
    sums: Vec<Sums>,
}

impl Progress {
    pub fn new(folder: &ModelFolder, texts: Vec<Vec<Window>>) -> Progress {
        let sums = texts.iter().map(|_| Sums::new(folder)).collect();
        Progress { texts, next: (0, 0), sums }
    }

    /// Each text's windows, and what they come to.
    pub fn end(self) -> (Vec<Vec<Window>>, Vec<Sums>) {
        (self.texts, self.sums)
    }

    fn pass(&mut self, windows: usize) {
        for _ in 0..windows {
            self.next.1 += 1;
            if self.texts.get(self.next.0).is_some_and(|text| text.len() <= self.next.1) {
                self.next = (self.next.0 + 1, 0);
            }
        }
    }
}

/// The windows from a place on, each with its text's number. Every text has one.
fn rest(
    texts: &[Vec<Window>],
    (text, window): (usize, usize),
) -> impl Iterator<Item = (usize, &Window)> {
    let of_text = move |(at, windows): (usize, &Vec<Window>)| {
        let read = if at == text { window } else { 0 };
        (read..windows.len()).map(move |window| (at, window))
    };
    let places = texts.iter().enumerate().skip(text).flat_map(of_text);
    places.map(|(text, window)| (text, &texts[text][window]))
}

impl Passes {
    /// Reads the next pass and puts it together with those before. How many tokens it held; `None`
    /// where everything has been read.
    pub fn step(
        self,
        model: &mut Model,
        folder: &ModelFolder,
        progress: &mut Progress,
    ) -> Result<Option<usize>, Error> {
        let Progress { texts, next, sums } = progress;
        let windows: Vec<_> = rest(texts, *next).take(self.batch_size).collect();
        if windows.is_empty() {
            return Ok(None);
        }
        let pass = &windows[..self.fitting(&windows, model.shares_passes)];
        let tokens: Vec<_> = pass.iter().map(|(_, window)| &window.tokens).collect();
        let read = tokens.iter().map(|tokens| tokens.len()).sum();
        let outputs = model.run(&tokens)?;
        metrics::histogram!("undertone_texts_per_pass").record(pass.len() as f64);
        for (row, (text, window)) in pass.iter().enumerate() {
            sums[*text].add(window, &outputs, row, folder)?;
        }
        let count = pass.len();
        progress.pass(count);
        Ok(Some(read))
    }

    /// How many of these windows the next pass takes: one at least.
    fn fitting(self, windows: &[(usize, &Window)], shares_passes: bool) -> usize {
        let most = if shares_passes { self.batch_size } else { 1 };
        let mut longest = 0;
        let fits = |(before, (_, window)): &(usize, &(usize, &Window))| {
            longest = longest.max(window.tokens.len());
            (before + 1) * longest <= PASS_TOKENS
        };
        windows.iter().take(most).enumerate().take_while(fits).count().max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Encoder;
    use super::*;

    #[test]
    fn a_pass_is_bounded_by_its_texts_and_by_what_padding_makes_of_them() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("models/undertone-mini/tokenizer.json");
        let encoder = Encoder::load(&path).expect("it is bundled");
        let window = |words: usize| {
            let tokens = encoder.encode(&"good ".repeat(words)).expect("it has tokens");
            Window { start: 0, tokens }
        };
        // Two special tokens each.
        let (short, long) = (window(6), window(126));
        let passes = Passes { batch_size: 64 };
        let check = |windows: &[&Window], shares_passes: bool, expected: usize| {
            let windows: Vec<_> = windows.iter().map(|window| (0, *window)).collect();
            assert_eq!(passes.fitting(&windows, shares_passes), expected);
        };
        check(&[&short; 100], true, 64);
        check(&[&long; 100], true, 4);
        check(&[&short, &short, &short, &long, &short], true, 4);
        check(&[&short; 6], true, 6);
        check(&[&short; 100], false, 1);
        check(&[&window(600)], true, 1);
    }
}
