//! Mock thanks: "Thank you for nothing", "thanks for wasting my day".
//!
//! The emotions' head learned from short comments in which thanks are nearly always meant, and finds `gratitude` in
//! all of these at 0.9 and more. What they are thanks for tells them apart, in English: nothing, a harm, a help that was
//! not given, something bad. The sarcasm head is no witness: it doubts sincere thanks for the mending of a bad thing as well.

/// How many words on from a thanks its "for" may stand: "thank you all so very much for".
const FOR_WITHIN: usize = 6;

const THANKS: [&str; 5] = ["thanks", "thank", "thx", "thanx", "thnx"];

/// Said with any of what follows, or before it.
const FILLERS: [&str; 14] = [
    "absolutely",
    "literally",
    "completely",
    "totally",
    "utterly",
    "truly",
    "really",
    "just",
    "basically",
    "only",
    "once",
    "again",
    "constantly",
    "repeatedly",
];

/// A harm, whatever it is done to.
const HARMS: [&str; 33] = [
    "wasting",
    "ruining",
    "destroying",
    "damaging",
    "wrecking",
    "spoiling",
    "ignoring",
    "lying",
    "cheating",
    "scamming",
    "robbing",
    "stealing",
    "misleading",
    "deceiving",
    "overcharging",
    "failing",
    "forgetting",
    "insulting",
    "humiliating",
    "disappointing",
    "abandoning",
    "butchering",
    "mangling",
    "ghosting",
    "spamming",
    "disrespecting",
    "mistreating",
    "neglecting",
    "screwing",
    "messing",
    "botching",
    "poisoning",
    "betraying",
];

/// A harm where somebody's own comes next: one also loses weight and breaks the ice.
const HARMS_TO_ONES_OWN: [&str; 6] =
    ["losing", "breaking", "smashing", "crushing", "scratching", "dropping"];
const ONES_OWN: [&str; 14] = [
    "my",
    "our",
    "me",
    "us",
    "it",
    "his",
    "her",
    "their",
    "everything",
    "half",
    "both",
    "another",
    "yet",
    "all",
];

/// What one is sorry not to be given; "for not giving up" is no such thing.
const HELPS: [&str; 27] = [
    "delivering",
    "helping",
    "answering",
    "replying",
    "responding",
    "listening",
    "telling",
    "informing",
    "warning",
    "showing",
    "coming",
    "calling",
    "fixing",
    "refunding",
    "shipping",
    "sending",
    "caring",
    "turning",
    "bothering",
    "reading",
    "working",
    "doing",
    "including",
    "honoring",
    "honouring",
    "supporting",
    "repairing",
];

const BAD: [&str; 27] = [
    "terrible",
    "horrible",
    "awful",
    "worst",
    "lousy",
    "useless",
    "pathetic",
    "dreadful",
    "disgusting",
    "crappy",
    "shitty",
    "crap",
    "shit",
    "broken",
    "ruined",
    "wasted",
    "nonexistent",
    "abysmal",
    "appalling",
    "rubbish",
    "miserable",
    "rude",
    "horrendous",
    "atrocious",
    "worthless",
    "garbage",
    "defective",
];

const BAD_THINGS: [&str; 9] = [
    "mess",
    "headache",
    "nightmare",
    "fiasco",
    "disaster",
    "runaround",
    "ripoff",
    "scam",
    "disappointment",
];

const DETERMINERS: [&str; 13] = [
    "the", "a", "an", "this", "that", "these", "your", "such", "another", "all", "yet", "most",
    "some",
];

/// Whether a text thanks, and never means it.
pub fn are_mock(text: &str) -> bool {
    let words = words(text);
    let mut thanks = (0..words.len()).filter(|at| THANKS.contains(&&*words[*at])).peekable();
    thanks.peek().is_some() && thanks.all(|at| is_mock(&words[at + 1..]))
}

/// Whether the words behind a thanks make it a mock one.
fn is_mock(behind: &[String]) -> bool {
    let sentence = behind.split(|word| word.is_empty()).next().unwrap_or_default();
    let Some(at) = sentence.iter().take(FOR_WITHIN + 1).position(|word| word == "for") else {
        return false;
    };
    let what: Vec<&str> = sentence[at + 1..].iter().map(String::as_str).collect();
    let fillers = what.iter().take_while(|word| FILLERS.contains(word)).count();
    let what = &what[fillers..];
    let mentions =
        |words: &[&str], among: usize| what.iter().take(among).any(|w| words.contains(w));
    match what {
        ["nothing", "but" | "less" | "short" | "except" | "else", ..] => false,
        ["nothing", ..] => true,
        ["not" | "never", deed, ..] => HELPS.contains(deed),
        ["wasting", "no" | "little", ..] => false,
        ["charging", ..] => mentions(&["twice", "double", "extra"], 5),
        ["hanging", "up", ..] => true,
        ["letting", "me" | "us", "down", ..] => true,
        ["making", "me" | "us", ..] => {
            mentions(&["wait", "late", "miss", "sick", "lose", "angry", "furious", "suffer"], 5)
        }
        ["keeping", "me" | "us", ..] => mentions(&["waiting", "hold", "dark"], 5),
        ["leaving", "me" | "us", ..] => mentions(&["stranded", "waiting", "hanging"], 4),
        ["treating", "me" | "us", "like", ..] => {
            mentions(&["dirt", "garbage", "trash", "crap", "shit", "criminal", "idiot"], 6)
        }
        [harm, own, ..] if HARMS_TO_ONES_OWN.contains(harm) => ONES_OWN.contains(own),
        [harm, ..] if HARMS.contains(harm) => true,
        _ => is_bad_thing(what),
    }
}

/// "the terrible service", "another mess".
fn is_bad_thing(what: &[&str]) -> bool {
    let led = |word: &&&str| DETERMINERS.contains(*word) || FILLERS.contains(*word);
    let determiners = what.iter().take_while(led).count();
    let follows_alone = |word: Option<&&str>| {
        word.is_none_or(|word| {
            ["you", "that", "of", "with", "and", "at", "in", "on", "i", "we"].contains(word)
        })
    };
    match &what[determiners..] {
        [bad, ..] if BAD.contains(bad) => true,
        [thing, rest @ ..] if BAD_THINGS.contains(thing) => follows_alone(rest.first()),
        _ => false,
    }
}

/// The words in lower case; an empty one where a sentence ends.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in text.chars() {
        match c {
            '’' | '\'' => words.last_mut().expect("there is one").push('\''),
            _ if c.is_alphanumeric() => {
                let last = words.last_mut().expect("there is one");
                last.extend(c.to_lowercase());
            }
            // Two empty ones: that of the end, and the next word.
            '.' | '!' | '?' | ';' | '\n' => words.extend([String::from("\n"), String::new()]),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words.into_iter().map(|word| if word == "\n" { String::new() } else { word }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thank_you_for_nothing_is_no_gratitude() {
        for text in [
            "Thank you for nothing.",
            "Thanks for nothing!",
            "thanks for wasting my day",
            "Thanks a lot for ruining our holiday.",
            "Thank you so much for losing my parcel.",
            "THANKS FOR BREAKING MY PHONE",
            "Thanks for making me wait three hours.",
            "Many thanks for ignoring my emails.",
            "Thx for absolutely nothing",
            "Thanks for the terrible service.",
            "Thanks for charging me twice.",
            "Thanks for not delivering my order",
            "Thank you for literally destroying my luggage",
            "Thanks to your courier for losing it. Never again.",
            "Thanks for the mess you left!",
            "Thanks for keeping us on hold all day.",
            "Thanks for nothing! And thanks for ruining the party.",
        ] {
            assert!(are_mock(text), "{text}");
        }
    }

    #[test]
    fn thanks_that_are_meant_are_left_alone() {
        for text in [
            "Thank you for your help.",
            "Thanks for the quick reply!",
            "Thank you so much for fixing my phone.",
            "Thanks for not giving up on me.",
            "Thanks for nothing but kindness.",
            "Thank you for saving my ruined holiday.",
            "Thanks for replacing the broken lamp.",
            "Thanks for sorting out the lost parcel so fast.",
            "Thank you for refunding me after the terrible delay.",
            "Many thanks to the driver who waited.",
            "Thanks for preventing a disaster.",
            "Thanks for the disaster relief",
            "Thanks for wasting no time.",
            "Thanks for breaking the ice at the party.",
            "Thanks for losing weight with me!",
            "Thanks for making me smile",
            "Thanks for keeping us safe",
            "Thanks for nothing, support. But thank you Anna, you saved the day!",
            "I was ignored for hours. Thanks anyway.",
            "Nothing works.",
            "",
        ] {
            assert!(!are_mock(text), "{text}");
        }
    }
}
