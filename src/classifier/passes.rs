//! Which windows share a pass through the graph.

use super::sums::Sums;
use super::windows::Window;
use super::{Error, Model, ModelFolder};

/// The most tokens in a pass of several windows. More gain nothing: by then the weights, not the
/// tokens, are what fits no cache, and a pass is what a text that comes next waits for.
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
        let mut tokens = 0;
        let fits = |(_, window): &&(usize, &Window)| {
            tokens += window.tokens.len();
            tokens <= PASS_TOKENS
        };
        windows.iter().take(most).take_while(fits).count().max(1)
    }
}
