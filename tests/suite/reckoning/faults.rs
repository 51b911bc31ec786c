//! What the provider does with each call: most go well, and every way in which one can fail comes often.

use std::time::Duration;

use crate::double::{Double, Script, Tokens};

/// So many calls make a round; each fault has its place in it.
const ROUND: usize = 40;

/// The part of the call of that number. Its tokens are its own, so that a line of the ledger can be told
/// to be this call's.
pub fn part(call: usize) -> Script {
    let soon = |status: u16| Script::status(status).header("retry-after-ms", 5);
    let script = match call % ROUND {
        2 => soon(429),
        5 => soon(500),
        7 => soon(503),
        // It waits as long as the vendors' own clients would.
        9 => Script::status(529),
        11 | 31 => Script::refusal(),
        13 | 33 => Script::truncated(),
        15 => Script::prose(),
        17 | 37 => Script::dropped(),
        19 | 39 => Script::reset(),
        21 => Script::cut(),
        23 => Script::hang(),
        25 => Script::no_usage(),
        27 => Script::page(),
        n if n % 4 == 0 => Script::answer("positive").after(Duration::from_millis(120)),
        _ => Script::answer("mixed"),
    };
    script.tokens(tokens(call))
}

/// A call of that number, and no other, is billed these: fewer than its request has bytes.
pub fn tokens(call: usize) -> Tokens {
    let call = call as u64;
    Tokens::of(200 + call % 1_400, 20 + call / 1_400)
}

/// Each part was played at least a few times.
pub fn were_all_met(double: &Double) {
    let rounds = double.requests().len() / ROUND;
    assert!(rounds >= 5, "only {rounds} rounds of faults");
}
