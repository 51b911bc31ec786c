//! How mails begin and end in English.

use super::Manners;

pub const ENGLISH: Manners = Manners {
    greetings: &[
        "hi|hello|hey|hiya|howdy again?",
        "greetings",
        "good morning|afternoon|evening|day",
        "to whom it may concern",
    ],
    salutations: &["dear"],
    courtesies: &[
        "i|we? hope|trust|hoping that? this|my e-mail|email|mail|message|letter|note? finds|reaches you and? your? \
         team|family|colleagues? all? in? very|good? well|good|fine|healthy|health|spirits and? safe|well|healthy?",
        "i|we? hope|trust|hoping that? you're|you are|have? both|all? been? doing|keeping? very? \
         well|fine|good|okay|ok and? healthy|safe|well? today?",
        "i|we? hope|trust that? all|everything|things is|are going? well|fine|good with|at|on? you|your? end|side|team?",
        "i|we? hope|trust that? you|you're|you've are|have? having|had|have? a|an|your very? \
         good|great|nice|lovely|pleasant|wonderful|relaxing|fantastic|fine|excellent \
         day|week|weekend|morning|afternoon|evening|start|time|summer|holiday|break|one so|to|of? far|the? \
         day|week|month|year?",
        "how are|have you been? all|doing|today|keeping? today?",
        "how is|how's it going",
    ],
    closings: &[
        "many? thanks|thank you? very|so|a|once? much|lot|again? kindly? in|for advance for? your|any|the|all? \
         kind|prompt|quick|swift|further|early|urgent? \
         help|assistance|support|reply|response|feedback|answer|time|cooperation|understanding|attention|advice|\
         consideration|efforts?",
        "thanking you in advance|anticipation",
        "i'm|i|we're|we? am|are? look|looking forward to hearing back? from you|your? team|side? \
         soon|shortly|again|back? at? your? earliest? convenience?",
        "i'm|i|we're|we? am|are? look|looking forward to your|a|an kind|prompt|quick|swift|early|positive|speedy|timely? \
         reply|response|answer|feedback|news soon|shortly?",
        "i|we? hope|hoping to hear back? from you soon|shortly?",
        "i|we? await|awaiting your prompt|early|kind|further? reply|response|answer|feedback|news",
        "please? excuse|pardon|forgive any|my|the? brevity|typos|typo|spelling|typing|autocorrect or|and? \
         mistakes|errors|typos|brevity?",
    ],
    partings: &[
        "many? thanks|thank you? very|so? much? for your kind|continued|prompt? \
         time|attention|understanding|consideration|cooperation|patience and|in|to|with|regarding? your|this|the? \
         time|attention|understanding|consideration|cooperation|patience|matter?",
        "have a nice|good|great|lovely|wonderful|pleasant day|weekend|week|evening|afternoon|time|one ahead?",
        "i? wish|wishing you a nice|good|great|lovely|wonderful|pleasant day|weekend|week|evening|afternoon|time ahead?",
    ],
    sign_offs: &[
        "with? my|our? very? kind|kindest|best|warm|warmest|sincere|good regards|wishes|rgds|greetings to? you? all?",
        "with? regards|rgds",
        "many? thanks|thank you? very|so|once? much|again? in? advance? and|with? my|our? kind|kindest|best|warm|warmest? \
         regards|wishes|rgds",
        "yours|your very? sincerely|faithfully|respectfully|cordially",
        "sincerely|faithfully|respectfully yours?",
        "very? truly yours",
    ],
    thanks: &[
        "many? thanks|thank you? again|once|a|so|very|ever|in? much|lot|bunch|million|again?",
        "thx|tnx|thanx|cheers",
        "with many? thanks",
        "lots? of? love",
    ],
    farewells: &[
        "all the? very? best",
        "best",
        "warmly",
        "yours truly?",
        "take care",
        "cordially",
        "talk|speak|see to|with? you? soon",
        "br|kr|xoxo",
    ],
    devices: &["sent from|via|with|using|by my?", "get outlook for"],
    notices: &[
        "this|these|the contents|content? of? this? e-mail|email|mail|message|communication|transmission|correspondence",
        "this electronic e-mail|email|mail|message|communication|transmission",
        "the information contained|transmitted|in",
        "confidentiality notice|note|disclaimer|statement|warning",
        "confidential|disclaimer|privileged",
        "legal|important|privacy notice|disclaimer",
        "if you are not the|an|a intended|named|designated",
        "if you have? received this|the e-mail|email|mail|message|communication|transmission? in|by error|mistake",
    ],
    lists: &[
        "to unsubscribe|opt",
        "unsubscribe from|here|at|by",
        "click here to unsubscribe|opt|manage|update",
        "manage|update|change your e-mail|email|notification|subscription|mailing? preferences|settings|subscription|\
         subscriptions",
        "you are|have|were? received|receiving|receive|got|getting|subscribed this|these|to",
        "you're receiving|getting|subscribed this|these|to",
        "if you no longer wish|want to receive|get",
        "if you would|do not|don't prefer|wish|want|like not? to receive|get",
        "view|read|see this e-mail|email|message|newsletter in|on your|a|the? browser|web|online",
        "reply to this e-mail|email|message directly",
    ],
    footers: &[
        "this is|was an automated|automatic|automatically|auto-generated|system-generated generated|sent? \
         e-mail|email|mail|message|notification|reply|response",
        "this e-mail|email|mail|message has|was|is been? automatically|auto? checked|scanned|swept|tested|verified|\
         generated for|by|with|and|automatically",
        "virus-free",
        "virus free",
        "no viruses|virus were|was? found|detected in",
        "checked|scanned by|with|for avg|avast|norton|mcafee|sophos|bitdefender|kaspersky|viruses",
        "please? do not|don't reply|respond directly? to this e-mail|email|mail|message|notification",
        "please? consider the|our environment before|and",
        "think before you|your? print|printing",
        "the? views|opinions and|or? opinions|views? expressed|contained|stated|presented in this e-mail|email|mail|message",
        "registered in england|scotland|ireland|wales",
        "registered office|company|charity",
        "all rights reserved",
        "copyright 2019|2020|2021|2022|2023|2024|2025|2026|2027|2028|2029|2030",
    ],
    banners: &[
        "caution|warning|attention|notice? this|the? external? e-mail|email|mail|message originated|originates|came|comes \
         from outside|external|an",
        "caution|warning|attention|notice? this|the? e-mail|email|mail|message was sent|received from outside|external|an",
    ],
};
