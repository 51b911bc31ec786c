//! How mails begin and end in Dutch.

use super::Manners;

pub const DUTCH: Manners = Manners {
    greetings: &[
        "hallo|hoi|dag",
        "goedemorgen|goedemiddag|goedenavond|goedendag",
        "goede morgen|middag|avond|dag",
    ],
    salutations: &["geachte|beste|lieve"],
    addresses: &["aan|t.a.v de|het", "allen|team"],
    courtesies: &["ik hoop dat alles|het goed met|gaat u|je|jullie|goed gaat|maakt?"],
    closings: &[
        "alvast hartelijk|heel? bedankt|dank voor? uw|je|de? hulp|reactie|moeite|antwoord?",
        "bij voorbaat hartelijk? dank|bedankt voor? uw|je|de? hulp|reactie|moeite?",
        "ik|wij|we? zie|hoor|zien|kijk|verneem graag|uit uw|uit|graag|van|naar naar|uw|u|je|jullie? uw|je|jullie? \
         reactie|antwoord|bericht?",
    ],
    partings: &[
        "bedankt|dank voor uw|je|jullie aandacht|begrip|tijd",
        "fijne|prettige dag|avond|weekend nog?",
    ],
    sign_offs: &[
        "met? vriendelijke|hartelijke|beste|warme|lieve groet|groeten",
        "groet|groeten|groetjes|mvg|hoogachtend|hgr",
    ],
    thanks: &["heel|hartelijk? bedankt|dank dank?", "dank je|u wel?"],
    farewells: &["tot snel|ziens|gauw", "liefs"],
    devices: &["verstuurd|verzonden vanaf|met|vanuit|van mijn?"],
    notices: &["dit bericht", "deze e-mail|email|mail|boodschap", "de informatie in"],
    lists: &["om u|je? uit|af te? schrijven|melden|uitschrijven", "u|je ontvangt deze|dit"],
    footers: &[
        "dit is een automatisch gegenereerd|bericht|gegenereerde",
        "gelieve niet te antwoorden",
    ],
    banners: &[],
    origins: &["geplaatst|verzonden|ontvangen|aangemaakt op|door|via", "geverifieerde aankoop"],
};
