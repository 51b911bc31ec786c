//! How mails begin and end in Portuguese.

use super::Manners;

pub const PORTUGUESE: Manners = Manners {
    greetings: &["olá|ola|oi", "bom dia", "boa tarde|noite"],
    salutations: &[
        "caro|cara|caros|caras|prezado|prezada|prezados|prezadas|exmo|exma|exmos|estimados|ilmo",
    ],
    addresses: &["à|ao|aos equipe|equipa|senhor|senhores|gerente", "senhores"],
    courtesies: &["espero que esteja|estejam|estejas|tudo esteja? tudo? bem"],
    closings: &[
        "muito? obrigado|obrigada|grato|grata desde|antecipadamente já? pela? atenção|ajuda|resposta?",
        "desde já agradeço|obrigado|obrigada|grato|grata a|pela? sua? atenção|ajuda|resposta?",
        "fico|ficamos|aguardo|aguardamos no|a|o|sua|seu|um? aguardo|aguardar? de|da|do? uma|um|sua|seu|vossa? \
         retorno|resposta|contato|contacto",
    ],
    partings: &[
        "obrigado|obrigada pela sua|vossa? atenção|compreensão",
        "tenha|tenham um bom|ótimo dia",
    ],
    sign_offs: &[
        "com? os? meus? melhores|cordiais|respeitosos? cumprimentos",
        "obrigado|obrigada e melhores|os? cumprimentos",
        "cordiais? saudações cordiais?",
        "atenciosamente|cordialmente|respeitosamente|att|atte",
    ],
    thanks: &["muito? obrigado|obrigada|obrigadão"],
    farewells: &["um|grande? abraço|abraços", "até breve|logo|mais", "beijos"],
    devices: &["enviado|enviada do|da|de|a|pelo partir? do? meu|minha?"],
    notices: &["esta|a presente? mensagem", "este e-mail|email|correio", "as informações contidas"],
    lists: &[
        "para cancelar|deixar a|de? sua? inscrição|subscrição|receber",
        "você? está recebendo|recebeu este|esta",
    ],
    footers: &["esta é uma mensagem automática", "por favor não responda"],
    banners: &[],
    origins: &["publicado|enviado|recebido|criado|avaliado em|por|via", "compra verificada"],
};
