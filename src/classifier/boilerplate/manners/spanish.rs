//! How mails begin and end in Spanish.

use super::Manners;

pub const SPANISH: Manners = Manners {
    greetings: &[
        "hola|saludos",
        "buenos días|dias",
        "buen día",
        "buenas tardes|noches?",
        "a quien corresponda",
    ],
    salutations: &[
        "estimado|estimada|estimados|estimadas|querido|querida|queridos|queridas",
        "muy señor|señores mío|míos|nuestro",
    ],
    addresses: &["a la|los|quien", "señores"],
    courtesies: &[
        "espero que estés|esté|estén|se|te|todo encuentre|encuentres|encuentren|esté|vaya|va? muy? bien",
    ],
    closings: &[
        "muchas|mil? gracias de|por antemano|adelantado por? su|tu|la? ayuda|respuesta|atención?",
        "quedo|quedamos a la espera|atento|atenta de? su|tu|vuestra respuesta|contestación|noticias",
        "espero|esperamos su|tu|vuestra pronta? respuesta",
    ],
    partings: &[
        "gracias por su|tu|vuestra atención|comprensión|tiempo",
        "que tenga|tengas|tengan un buen|lindo día",
    ],
    sign_offs: &[
        "muchas? gracias? y? un? cordial|cordiales|atentos|muchos? saludo|saludos cordial|cordiales?",
        "reciba|reciban|le|les un|mis|envío cordial|un? cordial? saludo|saludos",
        "muy? atentamente|cordialmente|respetuosamente|atte",
    ],
    thanks: &["muchas|mil? gracias por? todo?"],
    farewells: &["un abrazo", "abrazos", "hasta pronto|luego"],
    devices: &["enviado|mandado desde|con mi|el"],
    notices: &[
        "este|el correo|mensaje|e-mail|email",
        "la información contenida",
        "aviso legal|de confidencialidad?",
    ],
    lists: &[
        "para darse|darte|cancelar de|la|su? baja|suscripción",
        "usted? ha? recibe|recibes|recibido este|estos",
    ],
    footers: &["este es un mensaje|correo automático|generado", "por favor no responda|responder"],
    banners: &[],
    origins: &["publicado|enviado|recibido|creado el|por|en|a", "compra verificada"],
};
