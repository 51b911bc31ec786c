//! How mails begin and end in German.

use super::Manners;

pub const GERMAN: Manners = Manners {
    greetings: &["hallo|servus|moin", "guten tag|morgen|abend", "grüß gott"],
    salutations: &["sehr? geehrte|geehrter|geehrtes|verehrte|verehrter", "liebe|lieber|liebes"],
    addresses: &["an das|die|den", "team|leute", "morgen|mahlzeit"],
    courtesies: &[
        "ich|wir hoffe|hoffen sie|ihr|du|euch|ihnen|dir es? geht|ihnen|euch|dir|sind|bist? geht? es? ihnen|euch|dir? \
         gut|wohlauf",
        "ich|wir hoffe|hoffen es geht ihnen|euch|dir gut",
    ],
    closings: &[
        "vielen|herzlichen|besten? dank|danke|dankeschön im voraus für? ihre|eure|deine|die? \
         hilfe|mühe|unterstützung|antwort|bemühungen|rückmeldung?",
        "ich|wir? freue|freuen mich|uns auf ihre|eure|deine|eine baldige|schnelle|zeitnahe? antwort|rückmeldung",
        "über eine baldige|schnelle|zeitnahe? antwort|rückmeldung würde|freue ich mich freuen|sehr?",
    ],
    partings: &[
        "vielen|herzlichen|besten dank für ihre|eure|deine mühe|aufmerksamkeit|zeit|bemühungen|verständnis",
        "schönen|einen|schönes tag|abend|schönen|wochenende noch|tag|abend?",
    ],
    sign_offs: &[
        "mit? freundlichen|freundliche|freundlichem|besten|beste|herzlichen|herzliche|lieben|liebe|vielen|viele|schönen|\
         schöne|schöner|herzlicher|freundlicher|lieber grüßen|grüße|grüssen|grüsse|gruß|gruss|gruessen|gruesse aus?",
        "vielen|besten|herzlichen? dank|danke und mit? freundlichen|freundliche|beste|besten|liebe|lieben|viele|vielen? \
         grüßen|grüße|grüssen|grüsse|gruß|gruss",
        "gruß|grüße|gruss|grüsse|mfg",
        "hochachtungsvoll",
    ],
    thanks: &[
        "vielen|besten|herzlichen|lieben|schönen? dank|danke|dankeschön nochmals|sehr|schön?",
    ],
    farewells: &["lg|vg", "tschüss", "bis bald|dann", "alles gute"],
    devices: &[
        "von meinem|mein",
        "gesendet|gesandt|verschickt von|mit|über meinem|der|outlook?",
        "outlook für",
    ],
    notices: &[
        "diese|die e-mail|mail|nachricht|information|informationen",
        "vertraulichkeitshinweis",
    ],
    lists: &[
        "sie erhalten diese|dieses|den",
        "vom newsletter|verteiler abmelden",
        "newsletter abbestellen",
    ],
    footers: &[
        "sitz der gesellschaft",
        "registergericht|amtsgericht|geschäftsführer|handelsregister",
        "diese e-mail|mail|nachricht wurde automatisch|von|auf",
        "bitte antworten sie nicht auf",
        "virenfrei",
        "bitte? denken sie an die umwelt",
    ],
    banners: &[],
    origins: &[
        "gesendet|gesandt|eingegangen|erstellt|geschrieben am|über|von|per",
        "verifizierter kauf|käufer",
    ],
};
