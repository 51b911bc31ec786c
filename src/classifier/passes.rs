//! Which windows share a pass through the graph.

use super::sums::Sums;
use super::windows::Window;
use super::{Error, Model, ModelFolder};

/// The most tokens in a pass of several windows, the padding of the shorter ones included: a short
/// text beside a long one costs more as padding than it gains as company.
const PASS_TOKENS: usize = 512;

/// The rule for sharing a pass, as configured.
#[derive(Clone, Copy, Debug)]
pub struct Passes {
    pub batch_size: usize,
}

impl Passes {
    /// Reads the windows of some texts and puts each text's together.
    pub fn sums(
        self,
        model: &mut Model,
        folder: &ModelFolder,
        texts: &[Vec<Window>],
    ) -> Result<Vec<Sums>, Error> {
        let mut sums: Vec<Sums> = texts.iter().map(|_| Sums::new(folder)).collect();
        let windows: Vec<(usize, &Window)> = texts
            .iter()
            .enumerate()
            .flat_map(|(text, windows)| windows.iter().map(move |window| (text, window)))
            .collect();
        let mut rest = windows.as_slice();
        while !rest.is_empty() {
            let (pass, others) = rest.split_at(self.fitting(rest, model.shares_passes));
            rest = others;
            let tokens: Vec<_> = pass.iter().map(|(_, window)| &window.tokens).collect();
            let outputs = model.run(&tokens)?;
            metrics::histogram!("undertone_texts_per_pass").record(pass.len() as f64);
            for (row, (text, window)) in pass.iter().enumerate() {
                sums[*text].add(window, &outputs, row, folder)?;
            }
        }
        Ok(sums)
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
