//! What frames a text goes.

use super::*;

#[test]
fn greetings_go() {
    check(&[
        ("Dear Sir or Madam,\n\nThe hinge broke.", "The hinge broke."),
        ("Dear Sir/Madam,\nThe hinge broke.", "The hinge broke."),
        ("Hi team,\nthe hinge broke.", "the hinge broke."),
        ("Hi team, the hinge broke on day two.", "the hinge broke on day two."),
        ("Hello,\n\nThe hinge broke.", "The hinge broke."),
        ("Hello! The hinge broke on day two.", "The hinge broke on day two."),
        ("Hello - the hinge broke on day two.", "the hinge broke on day two."),
        ("Hi there! My lamp flickers all night.", "My lamp flickers all night."),
        ("hi alex,\nthe hinge broke.", "the hinge broke."),
        ("Hi Alex and Sam,\nthe hinge broke.", "the hinge broke."),
        ("HELLO SUPPORT TEAM,\nTHE HINGE BROKE.", "THE HINGE BROKE."),
        ("Hey guys, the new update is slow.", "the new update is slow."),
        ("Dear Dr. Moore,\nthe new pills help.", "the new pills help."),
        ("Dear ACME Customer Care Team:\nThe hinge broke.", "The hinge broke."),
        ("Dear Amazon, you lost my parcel twice.", "you lost my parcel twice."),
        ("Good morning,\nthe heating is cold.", "the heating is cold."),
        ("Good afternoon Ms Moore,\nthe heating is cold.", "the heating is cold."),
        ("To whom it may concern,\n\nThe hinge broke.", "The hinge broke."),
        ("Hello 👋\nThe hinge broke.", "The hinge broke."),
        ("Hello Alex 👋, the hinge broke on day two.", "the hinge broke on day two."),
        ("Broken lamp\n\nDear Sir or Madam,\n\nIt broke.", "Broken lamp\n\nIt broke."),
        ("Subject: Broken lamp\nHi team,\n\nIt broke.", "Broken lamp\nIt broke."),
    ]);
}

#[test]
fn greetings_of_any_kind_go_on_a_line_of_their_own() {
    for greeting in [
        "Dear landlord,",
        "Dear hotel manager:",
        "Hi neighbours!",
        "Hello my friend,",
        "Mum,",
        "Respected Sir,",
        "Tom/Agnes,",
        "Team,",
        "Morning all,",
        "To the manager:",
        "Attn: Billing department",
        "Ladies and gentlemen,",
        "Dear Ana, dear Sam,",
        "Hello there —",
    ] {
        check(&[(&format!("{greeting}\n\nThe hinge broke."), "The hinge broke.")]);
    }
    check(&[("Dear landlord, the heating is cold again.", "the heating is cold again.")]);
}

#[test]
fn what_forms_and_tickets_put_around_a_text_goes() {
    for above in [
        "Name: Alex Moore\nOrder number: 4711\nSubmitted on: 3 May 2024\n",
        "Ticket ID: 4711\nPriority: high",
        "New message from the contact form",
        "Reviewed in the United Kingdom on 3 May 2024",
        "Verified Purchase",
        "Customer comment:",
        "Respondent 118:",
        "Case #31 (reopened)",
        "Our ref: KL/2207",
        "Subject: my order",
        "Leeds, 3 June 2024",
        "Alex Moore\n12 High Street\nLeeds",
    ] {
        check(&[(&format!("{above}\n\nThe hinge broke."), "The hinge broke.")]);
    }
    check(&[
        ("[2024-03-12 10:12] The hinge broke on day two.", "The hinge broke on day two."),
        ("The hinge broke.\n\nVerified Purchase", "The hinge broke."),
        ("The hinge broke.\n\n12 people found this helpful", "The hinge broke."),
        ("The hinge broke.\nSent via the contact form", "The hinge broke."),
    ]);
}

#[test]
fn endings_of_any_kind_go_on_lines_of_their_own() {
    for ending in [
        "In haste,\nCordelia",
        "See you Monday,\nAlex",
        "Thanks in advance!\nAlex",
        "Have a nice day,\nAlex Moore",
        "Best\nAlex",
        "Mit freundlichen Grüßen / Kind regards\nAlex Moser",
        "On behalf of the parents' council\nAlex Moore",
        "Kind regards,\nAlex Moore, flat 4",
        "Kind regards,\nAlex (room 12)",
        "Kind regards,\nAlex Moore\nTeacher at Hillview primary school",
        "— Alex Moore",
        "A. Moore",
        "The Reception Team",
        "Alex Moore\nHead of Sales\nACME",
        "Alex Moore | Field Sales",
        "Kind regards,\nAlex Moore\n\nOur office hours: Monday to Friday, 8 to 5.\nWe're hiring! See our web site.",
        "typed on the train, excuse typos",
        "Get Mailbox for Android",
    ] {
        check(&[(&format!("The hinge broke.\n\n{ending}"), "The hinge broke.")]);
    }
    check(&[("Hi team,\nthe hinge broke.\n\nE. Sands, Orchard Cottage", "the hinge broke.")]);
}

#[test]
fn empty_courtesy_behind_a_greeting_goes() {
    check(&[
        ("Hi team,\n\nI hope this finds you well. The hinge broke.", "The hinge broke."),
        ("Dear Alex,\nI hope this email finds you well.\n\nThe hinge broke.", "The hinge broke."),
        ("Hi Alex, hope you are well. The hinge broke again.", "The hinge broke again."),
        ("Hello Alex,\nhope you had a great weekend!\nThe hinge broke.", "The hinge broke."),
        ("Hello,\nHow are you? The hinge broke.", "The hinge broke."),
        ("Hi all,\nI trust you are doing well.\nThe hinge broke.", "The hinge broke."),
        ("Hi all,\nHope all is well with you.\nThe hinge broke.", "The hinge broke."),
        (
            "Hi, I hope this finds you well. My order is late. Thanks in advance. Kind regards, Alex Moore. Sent from my iPhone",
            "My order is late.",
        ),
    ]);
    keeps(&[
        "I hope this finds you well. It did not find me well.",
        "I hope you are happy now that you have my money.",
        "I hope your new owner is well paid for this mess.",
    ]);
    check(&[(
        "Hi,\nI hope you are well paid for losing parcels.",
        "I hope you are well paid for losing parcels.",
    )]);
}

#[test]
fn sign_offs_go() {
    check(&[
        ("The hinge broke.\n\nKind regards,\nAlex Moore", "The hinge broke."),
        ("The hinge broke.\nKind regards, Alex Moore", "The hinge broke."),
        ("The hinge broke on day two. Kind regards, Alex Moore", "The hinge broke on day two."),
        ("The hinge broke on day two Kind regards, Alex Moore", "The hinge broke on day two"),
        ("The hinge broke on day two. Regards", "The hinge broke on day two."),
        ("The hinge broke on day two! Best regards, A. Moore", "The hinge broke on day two!"),
        ("The hinge broke on day two 😡 Kind regards Alex", "The hinge broke on day two 😡"),
        ("the hinge broke on day two. kind regards, alex", "the hinge broke on day two."),
        ("the hinge broke.\n\nregards\nalex moore", "the hinge broke."),
        ("The hinge broke.\n\nYours sincerely,\n\nDr. Ana de la Cruz", "The hinge broke."),
        ("The hinge broke.\n\nYours faithfully\nA. Moore", "The hinge broke."),
        ("The hinge broke.\n\nSincerely,\nAlex & Sam Moore", "The hinge broke."),
        ("The hinge broke.\n\nBest wishes,\nAlex 😊", "The hinge broke."),
        ("The hinge broke.\n\nMany thanks and kind regards,\nAlex", "The hinge broke."),
        ("The hinge broke.\n\nThanks & regards\nAlex", "The hinge broke."),
        ("The hinge broke.\n\nThanks,\nAlex", "The hinge broke."),
        ("The hinge broke.\n\nMany thanks,\nAlex Moore", "The hinge broke."),
        ("The hinge broke.\n\nCheers,\nAlex", "The hinge broke."),
        ("The hinge broke.\n\nBest,\nAlex", "The hinge broke."),
        ("The hinge broke on day two. Best, Alex", "The hinge broke on day two."),
        ("The hinge broke.\n\nWith thanks,\nAlex", "The hinge broke."),
        ("Hi team,\nthe hinge broke.\nThanks", "the hinge broke."),
        ("Hi team,\nthe hinge broke.\nThanks, Alex", "the hinge broke."),
        ("Hi team, the hinge broke on day two. Cheers, Alex", "the hinge broke on day two."),
        ("Can you send the invoice again? Thanks in advance", "Can you send the invoice again?"),
        (
            "Can you send the invoice again? Thank you in advance for your help!",
            "Can you send the invoice again?",
        ),
        ("The hinge broke.\nThanks in advance,\nAlex", "The hinge broke."),
        (
            "The hinge broke.\nI look forward to hearing from you.\nRegards,\nAlex",
            "The hinge broke.",
        ),
        ("The hinge broke.\nLooking forward to your reply.", "The hinge broke."),
        (
            "Dear Alex,\nthe hinge broke.\nThank you for your time.\nRegards,\nSam",
            "the hinge broke.",
        ),
        ("The hinge broke.\n\n- Kind regards, Alex", "The hinge broke."),
        ("The hinge broke.\r\n\r\nKind regards,\r\nAlex", "The hinge broke."),
        (
            "The hinge broke.\n\nKind regards,\nAlex\n\nP.S. The box was torn too.",
            "The hinge broke.\n\nP.S. The box was torn too.",
        ),
    ]);
}

#[test]
fn signatures_go() {
    check(&[
        (
            "The hinge broke.\n\nKind regards,\nAlex Moore\nHead of Sales | ACME Ltd\n12 High Street, Leeds\nTel. +44 113 496 0000\n\
             alex@example.com",
            "The hinge broke.",
        ),
        ("The hinge broke.\n\nRegards\n\nAlex Moore\nCustomer no. 4711", "The hinge broke."),
        ("The hinge broke.\n--\nAlex Moore\nwww.example.com", "The hinge broke."),
        ("Hi,\nthe hinge broke.\n\nAlex Moore\nTel: 0113 496 0000", "the hinge broke."),
        ("The hinge broke.\n\nSent from my iPhone", "The hinge broke."),
        ("The hinge broke on day two. Sent from my iPhone", "The hinge broke on day two."),
        (
            "The hinge broke on day two This message is confidential and intended for the addressee only.",
            "The hinge broke on day two",
        ),
        ("The hinge broke on day two Sent from my iPhone", "The hinge broke on day two"),
        ("The hinge broke.\n\nSent from my Samsung Galaxy smartphone.", "The hinge broke."),
        ("The hinge broke.\n\nGet Outlook for Android", "The hinge broke."),
        ("The hinge broke.\nAlex\nSent from Yahoo Mail on Android", "The hinge broke."),
        (
            "The hinge broke.\n\nKind regards,\nAlex\n\nSent from my phone. Please excuse any typos.",
            "The hinge broke.",
        ),
    ]);
}

#[test]
fn footers_go() {
    let notice = "This e-mail and any attachments are confidential and intended solely for the addressee. If you are not the \
                  intended recipient, please notify the sender and delete it.";
    let wrapped = "CONFIDENTIALITY NOTICE: This message is intended only for the use of the\nindividual to whom it is addressed and \
                   may contain information that is\nprivileged. Any unauthorised disclosure is strictly prohibited.";
    for footer in [
        notice,
        wrapped,
        "To unsubscribe from this list, click here.",
        "Unsubscribe | Manage preferences | Privacy policy",
        "You received this message because you are subscribed to the group \"lamps\".\nTo unsubscribe, send an email to \
         lamps+off@example.com.",
        "You are receiving this email because you signed up on our site.",
        "If you no longer wish to receive these emails, click here.",
        "View this email in your browser",
        "This is an automated message, please do not reply.",
        "This email has been checked for viruses by Avast antivirus software.\nwww.avast.com",
        "Virus-free. www.avast.com",
        "No virus found in this message.\nChecked by AVG - www.avg.com",
        "Please consider the environment before printing this e-mail.",
        "Registered in England No. 1234567. Registered office: 12 High Street, Leeds.",
    ] {
        for above in ["The hinge broke.\n\n", "The hinge broke.\n\nKind regards,\nAlex Moore\n\n"] {
            check(&[(&format!("{above}{footer}"), "The hinge broke.")]);
        }
    }
    check(&[
        (&format!("The hinge broke on day two. {notice}"), "The hinge broke on day two."),
        (
            &format!(
                "The hinge broke.\n\nKind regards,\nAlex\n{notice}\n\n{wrapped}\n\nVirus-free. www.avast.com"
            ),
            "The hinge broke.",
        ),
        (
            "CAUTION: This email originated from outside of the organization. Do not click links unless you know the sender.\n\nHi \
             team,\nthe hinge broke.",
            "the hinge broke.",
        ),
        ("[EXTERNAL] The hinge broke on day two.", "The hinge broke on day two."),
    ]);
}

#[test]
fn quoted_replies_go() {
    check(&[
        ("It never came.\n\n> When did you order it?\n> Regards", "It never came."),
        (
            "It never came.\n\nOn Mon, 3 Jun 2024 at 10:12, Alex Moore <alex@example.com> wrote:\n> When did you order it?",
            "It never came.",
        ),
        (
            "It never came.\n\nKind regards,\nSam\n\n-----Original Message-----\nFrom: Alex\nSent: Monday\nTo: Sam\nSubject: RE: Lamp\n\n\
             Great to hear that you love it!",
            "It never came.",
        ),
        (
            "It never came.\nSam\n\nFrom: Alex\nSent: Monday\nTo: Sam\nSubject: Lamp\n\nWe are glad!",
            "It never came.",
        ),
        ("> Did it come?\n\nNo, never.", "No, never."),
        (
            "It never came.\nRegards,\nSam\n\n> We are glad!\n\nUnsubscribe | Privacy",
            "It never came.",
        ),
        (
            "From: Sam\nTo: Alex\nSubject: Re: order #4711\n\nHi Alex,\nit never came.",
            "it never came.",
        ),
    ]);
}

#[test]
fn numbers_by_which_a_text_is_filed_go() {
    check(&[
        ("Ticket 48213: The hinge broke.", "The hinge broke."),
        ("[CASE-771] The hinge broke on day two.", "The hinge broke on day two."),
        ("Re: order #A-2291 – never came, nobody answers", "never came, nobody answers"),
        ("Ref. 2024/118\nThe hinge broke.", "The hinge broke."),
        ("The hinge broke on day two. (Ref. 2024/118)", "The hinge broke on day two."),
        ("The hinge broke on day two [CASE-771].", "The hinge broke on day two"),
        ("The hinge broke.\n\nTicket 48213", "The hinge broke."),
        ("The hinge broke.\n\nref:_00D1x._5001y2:ref", "The hinge broke."),
        (
            "Ticket 48213: Hi team, the hinge broke on day two. Regards, Alex",
            "the hinge broke on day two.",
        ),
        ("Ticket 48213: love it", "love it"),
        ("Hi team,\n\nOrder number: 4711\n\nThe hinge broke.", "The hinge broke."),
    ]);
    keeps(&[
        "5/10: too loud for a library",
        "Rating 4: too loud for a library",
        "[10/10] would buy it again",
        "Case 1: the lid does not close",
        "Order 4711 never arrived and nobody cares",
        "#1 brand for a good reason",
        "WH-1000XM4: great sound, poor microphone",
        "I paid 40 dollars (20/20)",
        "Ticket 48213",
    ]);
}

#[test]
fn mails_of_other_languages_are_framed_as_well() {
    check(&[
        (
            "Sehr geehrte Damen und Herren,\n\ndie Lampe ist kaputt.\n\nMit freundlichen Grüßen\nAlex Moser",
            "die Lampe ist kaputt.",
        ),
        (
            "Hallo zusammen,\ndie Lampe ist kaputt. Vielen Dank im Voraus!\n\nViele Grüße\nAlex",
            "die Lampe ist kaputt.",
        ),
        ("Guten Tag Frau Moser, die Lampe ist kaputt. MfG Alex", "die Lampe ist kaputt."),
        (
            "Liebes Team,\nich hoffe, es geht Ihnen gut.\nDie Lampe ist kaputt.\n\nLG\nAlex",
            "Die Lampe ist kaputt.",
        ),
        ("Die Lampe ist kaputt.\n\nVon meinem iPhone gesendet", "Die Lampe ist kaputt."),
        (
            "Madame, Monsieur,\n\nLa lampe est cassée.\n\nCordialement,\nAlex Morel",
            "La lampe est cassée.",
        ),
        (
            "Bonjour,\nla lampe est cassée. Merci d'avance.\nBien à vous,\nAlex",
            "la lampe est cassée.",
        ),
        ("La lampe est cassée.\n\nEnvoyé de mon iPhone", "La lampe est cassée."),
        (
            "Estimados señores:\n\nLa lámpara está rota.\n\nUn cordial saludo,\nAlex Mora",
            "La lámpara está rota.",
        ),
        (
            "Hola a todos,\nla lámpara está rota. Muchas gracias de antemano.\nSaludos,\nAlex",
            "la lámpara está rota.",
        ),
        (
            "Gentile signora Rossi,\nla lampada è rotta.\n\nCordiali saluti\nAlex Moro",
            "la lampada è rotta.",
        ),
        (
            "Buongiorno,\nla lampada è rotta. Grazie in anticipo.\nDistinti saluti,\nAlex",
            "la lampada è rotta.",
        ),
        (
            "Prezados senhores,\na lâmpada está partida.\n\nCom os melhores cumprimentos,\nAlex Melo",
            "a lâmpada está partida.",
        ),
        ("Olá,\na lâmpada está partida.\n\nAtenciosamente\nAlex", "a lâmpada está partida."),
        (
            "Geachte heer/mevrouw,\n\nde lamp is kapot.\n\nMet vriendelijke groet,\nAlex de Moor",
            "de lamp is kapot.",
        ),
        ("Beste Alex,\nde lamp is kapot. Alvast bedankt!\nGroeten,\nSam", "de lamp is kapot."),
    ]);
    keeps(&[
        "Caro, ma buono e molto comodo",
        "Beste product ooit gekocht",
        "Gentile personale, ottima posizione, camera pulita",
        "Liebe dieses Produkt, nie wieder ein anderes",
        "Merci pour rien, le colis est perdu",
    ]);
}
