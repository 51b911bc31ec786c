//! How mails begin and end in French.

use super::Manners;

pub const FRENCH: Manners = Manners {
    greetings: &["bonjour|bonsoir|salut|coucou", "madame monsieur", "monsieur madame"],
    salutations: &["cher|chère|chers|chères"],
    addresses: &["à l'attention|l'équipe", "messieurs|mesdames"],
    courtesies: &["j'espère que vous|tu allez|vas bien", "j'espère que tout va bien"],
    closings: &[
        "merci|d'avance|en beaucoup|vous? d'avance|avance|merci|remerciant par? avance? pour? votre|ton? \
         aide|réponse|retour|compréhension?",
        "merci par avance",
        "dans|en l'attente|attente|attendant de? votre|vous|d'une|une? réponse|retour|lire?",
    ],
    partings: &[
        "bonne|belle|excellente journée|soirée|fin de? journée?",
        "merci pour|de votre compréhension|attention",
    ],
    sign_offs: &[
        "bien|très? cordialement",
        "sincères|meilleures|cordiales|respectueuses|mes|nos meilleures|sincères|cordiales? salutations",
        "salutations distinguées|cordiales|sincères?",
        "bien à vous|toi",
        "amicalement|sincèrement|respectueusement|cdlt|cdt",
    ],
    thanks: &["merci beaucoup|bien|encore|mille|infiniment?", "mille|grand mercis|merci"],
    farewells: &["à bientôt|plus", "bises|bisous"],
    devices: &[
        "envoyé|envoye de|depuis|à mon|ma|l'application|partir?",
        "télécharger|obtenir outlook pour",
    ],
    notices: &["ce message|courriel|mail|courrier", "cette communication|transmission"],
    lists: &[
        "pour vous? désabonner|désinscrire",
        "vous recevez ce|cet|cette|ces",
        "se désabonner|désinscrire",
    ],
    footers: &[
        "ceci est un message automatique",
        "merci de ne pas répondre",
        "ce message a été généré automatiquement",
    ],
    banners: &[],
    origins: &["publié|envoyé|reçu|créé|avis le|par|via|publié", "achat vérifié"],
};
