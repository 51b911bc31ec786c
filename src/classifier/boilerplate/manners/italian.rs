//! How mails begin and end in Italian.

use super::Manners;

pub const ITALIAN: Manners = Manners {
    greetings: &["ciao|salve|buongiorno|buonasera", "buon giorno|pomeriggio", "buona sera"],
    salutations: &[
        "gentile|gentili|gentilissimo|gentilissima|gentilissimi|egregio|egregi|spettabile|spett|spett.le",
        "caro|cara|cari",
    ],
    addresses: &["alla|al|alle|ai cortese?", "signori"],
    courtesies: &["spero che lei|tu|voi|tutto? stia|sta|stiate|vada bene"],
    closings: &[
        "molte|mille|vi? grazie|ringrazio in|anticipatamente anticipo? per? la|il? vostra|suo|tua? \
         risposta|collaborazione|disponibilità|aiuto?",
        "grazie anticipatamente|anticipate",
        "in|rimango|resto|restiamo attesa|in di|attesa un|di? vostro|suo|vostra|sua|tua|un? \
         gentile|cortese|sollecito? riscontro|risposta",
    ],
    partings: &[
        "grazie per|della la? vostra|sua|tua? attenzione|disponibilità|comprensione",
        "buona giornata|serata",
    ],
    sign_offs: &[
        "con? i? miei|nostri? cordiali|distinti|cari|migliori|molti? saluti cordiali?",
        "un cordiale|caro saluto",
        "grazie e cordiali|distinti? saluti",
        "cordialmente|cordialità",
        "in fede",
    ],
    thanks: &["molte|mille|tante? grazie mille|ancora?"],
    farewells: &["ciao", "a presto", "un abbraccio"],
    devices: &["inviato da|dal|con mio|il?"],
    notices: &[
        "questo|il presente? messaggio|documento",
        "questa|la presente? e-mail|email|mail|comunicazione",
        "le informazioni contenute",
    ],
    lists: &[
        "per cancellarsi|disiscriversi|annullare",
        "hai|ha|avete|ricevi ricevuto|questa questa|email|e-mail|mail",
    ],
    footers: &["questo è un messaggio automatico|generato", "si prega di non rispondere"],
    banners: &[],
    origins: &[
        "pubblicato|inviato|ricevuto|creato|recensito il|da|tramite|in",
        "acquisto verificato",
    ],
};
