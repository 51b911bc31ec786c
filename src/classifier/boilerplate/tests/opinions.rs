//! What only looks like a frame stays.

use super::*;

#[test]
fn opinions_stay() {
    keeps(&[
        "Thanks for nothing, Alex",
        "Lost my parcel again.\nThanks for nothing, Alex",
        "Best phone ever",
        "Best\nPhone Ever",
        "Dear God this is bad",
        "Dear God, this is bad beyond words",
        "Dear me, what a mess this is",
        "Regards this product as a joke",
        "Everyone regards this product as a joke.",
        "Thanks, this saved my week",
        "It works again. Thanks, this saved my week",
        "Thanks a lot, you ruined my holiday",
        "You lost my parcel twice. Thanks, Amazon!",
        "You lost my parcel twice. Thanks, Amazon.",
        "Three hours on hold. Cheers, Vodafone.",
        "Three hours on hold. Best Service Ever",
        "Three hours on hold. Best, Not",
        "You lost my parcel twice. Thank you very much.",
        "Fixed within an hour. Thank you!",
        "Hi-res audio at a fair price",
        "Hi I bought this for my mother and she loves it",
        "Hello Kitty backpack is cute and sturdy",
        "Hello? Is anybody reading these mails?",
        "Hello from Spain, we loved every minute",
        "Hey Siri never understands a word of mine",
        "Good day out for the whole family",
        "Good evening was had by all of us",
        "Best of all, it is quiet. Best value too.",
        "All the best phones have this chip",
        "Cheers to the chef for a lovely evening",
        "Cheers, great product for a small kitchen",
        "Love, love, love this lamp",
        "Love it. Love the colour. Love, Actually",
        "Yours truly had to wait for two hours",
        "Sincerely hope they go bankrupt this year",
        "Give my regards to the chef, he is a genius",
        "The manager sent his kind regards",
        "They ignored me for a month. Kind regards, a very disappointed customer",
        "They ignored me for a month.\n\nRegards,\nDisappointed in Leeds",
        "They ignored me for a month. Regards, Never Coming Back",
        "Sent from heaven, this little lamp",
        "This gift was sent from heaven",
        "Sent from my old phone that crashes every hour",
        "This message is the third one and nobody answers.",
        "I tried to unsubscribe from this list three times.",
        "Unsubscribe me now, I hate these mails!",
        "This email was sent in error and the attachment had a virus.",
        "Your agent said that my confidential data went to the wrong recipient.",
        "On Monday they wrote: we don't care.",
        ">10 hours of battery, I love it",
        "Dear customers, avoid this shop.",
        "Pros:\n- battery\n- screen\n\nCons:\n- Price",
        "Stars:\n*****\n-----\nGreat",
        "Kind staff, clean rooms, warm welcome",
        "Warm regards is all we got for a refund of 200 dollars",
        "With best wishes alone nobody pays the rent",
        "Have a nice day, they said, and kept my deposit.",
        "They kept my deposit. Have a nice day.",
        "To unsubscribe I had to call them.",
        "Respectfully, this update is garbage",
        "ps: it broke",
        "",
        " ",
        "\n",
        "5/5",
        "👍",
    ]);
}

#[test]
fn opinions_on_lines_of_their_own_stay() {
    keeps(
        &[
            "Disappointed,\n\nI sent it back.",
            "Great product,\nfair price.",
            "Service: slow\nFood: cold",
            "Status: disappointed\nI waited for a month.",
            "Time: wasted\nMoney: gone",
            "Rating 4:\ntoo loud for a library",
            "Room: dirty\nBed: hard",
            "Subject: Terrible service\n\nNobody came.",
            "It came on Monday.\n\nHighly Recommended",
            "It came on Monday.\n\nTotal Disaster",
            "It came on Monday.\n- Price\n- Weight",
            "It came on Monday.\n\nA joke,\nreally",
            "It came on Monday.\n\nSent back twice, never again",
            "It came on Monday.\nReceived broken on 3 May",
            "Posted twice and nobody answered.\nBad.",
            "On Monday it came.\nOn Tuesday it broke.",
            "| price | weight |\n| 20 | 30 |",
            "10:30 was too early for breakfast",
        ]
        .map(|text| text.strip_prefix("Subject: ").unwrap_or(text)),
    );
    check(&[
        ("Subject: Terrible service\n\nNobody came.", "Terrible service\n\nNobody came."),
        (
            "It broke.\n\nKind regards,\nAlex\n\nI am still furious about this.",
            "It broke.\n\nKind regards,\nAlex\n\nI am still furious about this.",
        ),
    ]);
}

#[test]
fn a_review_that_greets_keeps_its_first_sentence() {
    check(&[
        ("Hi, I bought this last week and love it.", "I bought this last week and love it."),
        ("Hi. I bought this last week. Love it.", "I bought this last week. Love it."),
    ]);
    keeps(&["Hi bought this last week and love it.", "Hi this is the best lamp I ever had."]);
}

#[test]
fn where_nothing_would_be_left_all_is_read() {
    keeps(&[
        "Kind regards",
        "Kind regards,\nAlex Moore",
        "Hi team,",
        "Hi team,\n\nKind regards,\nAlex",
        "> We sent it on Monday.",
        "> We sent it on Monday.\n> Regards",
        "Sent from my iPhone",
        "Thanks in advance",
        "Ticket 48213",
        "Dear Sir or Madam,\n\n...\n\nYours faithfully",
        "Unsubscribe",
    ]);
}

#[test]
fn a_short_line_keeps_all() {
    keeps(&[
        "Hello, great!",
        "Hi, love it so!",
        "Great phone. Kind regards, Alex",
        "Good morning, sunshine",
        "Hello Fresh, never again",
        "Nice. Thanks in advance",
    ]);
    check(&[("Great phone.\nKind regards, Alex", "Great phone."), ("Hello,\ngreat!", "great!")]);
}
