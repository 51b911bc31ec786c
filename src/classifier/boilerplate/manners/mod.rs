//! How mails begin and end, a file a language. `phrases.rs` says how a phrase is written.

mod dutch;
mod english;
mod french;
mod german;
mod italian;
mod portuguese;
mod spanish;

use super::phrases::Kind;

/// The phrases of a language. Words in small letters; none needs a sentence's end or a name, which are looked for where
/// a phrase is used.
#[derive(Clone, Copy)]
pub struct Manners {
    greetings: &'static [&'static str],
    salutations: &'static [&'static str],
    addresses: &'static [&'static str],
    courtesies: &'static [&'static str],
    closings: &'static [&'static str],
    partings: &'static [&'static str],
    sign_offs: &'static [&'static str],
    thanks: &'static [&'static str],
    farewells: &'static [&'static str],
    devices: &'static [&'static str],
    notices: &'static [&'static str],
    lists: &'static [&'static str],
    footers: &'static [&'static str],
    banners: &'static [&'static str],
    origins: &'static [&'static str],
}

impl Manners {
    pub fn phrases(&self) -> impl Iterator<Item = (Kind, &'static str)> + use<> {
        let kinds = [
            (Kind::Greeting, self.greetings),
            (Kind::Salutation, self.salutations),
            (Kind::Address, self.addresses),
            (Kind::Courtesy, self.courtesies),
            (Kind::Closing, self.closings),
            (Kind::Parting, self.partings),
            (Kind::SignOff, self.sign_offs),
            (Kind::Thanks, self.thanks),
            (Kind::Farewell, self.farewells),
            (Kind::Device, self.devices),
            (Kind::Notice, self.notices),
            (Kind::List, self.lists),
            (Kind::Footer, self.footers),
            (Kind::Banner, self.banners),
            (Kind::Origin, self.origins),
        ];
        kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |phrase| (kind, *phrase)))
    }
}

pub const LANGUAGES: [Manners; 7] = [
    english::ENGLISH,
    german::GERMAN,
    french::FRENCH,
    spanish::SPANISH,
    italian::ITALIAN,
    portuguese::PORTUGUESE,
    dutch::DUTCH,
];
