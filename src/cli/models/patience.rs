//! Attempts at what may fail for a while: how many, and how long between.

use std::time::Duration;

use super::screen::Screen;

/// How often a request that failed for a reason that may pass is made, and how long between.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The first attempt included.
    pub attempts: u32,
    /// Doubles with every attempt; a server's `Retry-After` goes before it.
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            attempts: 6,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Why an attempt gave nothing, and whether another may help.
#[derive(Debug)]
pub enum Failure {
    /// A dropped connection, a server in trouble. `after` is how long the server wants to be left
    /// alone.
    Passing {
        error: anyhow::Error,
        after: Option<Duration>,
    },
    Final(anyhow::Error),
}

impl Failure {
    pub fn passing(error: anyhow::Error) -> Failure {
        Failure::Passing { error, after: None }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Final(error)
    }
}

impl Patience {
    /// Makes attempts until one succeeds, fails for good, or patience is at its end.
    pub async fn retrying<T>(
        self,
        screen: &Screen,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> anyhow::Result<T> {
        let Patience { attempts, first_pause, longest_pause } = self;
        let mut pause = first_pause;
        let mut number = 1;
        loop {
            let (error, after) = match attempt().await {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { error, after }) => (error, after),
            };
            if number >= attempts {
                return Err(error.context(format!("gave up after {number} attempts")));
            }
            let wait = after.unwrap_or(pause).min(longest_pause);
            number += 1;
            screen.note(&format!(
                "{error:#}; attempt {number} of {attempts} in {:.1} s",
                wait.as_secs_f64()
            ));
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(longest_pause);
        }
    }
}
