//! How mails begin and end in English.

use super::Manners;

pub const ENGLISH: Manners = Manners {
    greetings: &[
        "hi|hello|hey|hiya|howdy again?",
        "greetings",
        "greetings to you|all all?",
        "good morning|afternoon|evening|day",
        "good morning|afternoon|evening|day to you|all|everyone all?",
        "to whom it may concern",
    ],
    salutations: &["my? dear|dearest"],
    addresses: &[
        "to the|all|whoever|whom|customer|our",
        "attn|attention|fao",
        "for the attention of? the?",
        "morning|afternoon|evening|day",
        "team|all|everyone|everybody|folks|guys|gents|sir|sirs|madam|friends|colleagues|neighbours|neighbors",
        "ladies and? gentlemen",
        "mr|mrs|ms|miss|dr",
    ],
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
        "many? thanks|thank you? for getting|being|staying in touch|contact",
        "many? thanks|thank you? for contacting|reaching|writing to? us|me|out|back?",
        "many? thanks|thank you? very|so? much? for your|the kind|recent? \
         message|e-mail|email|mail|letter|note|reply|response|call of|earlier|on|today? date|monday|tuesday|wednesday|thursday|friday?",
        "happy monday|tuesday|wednesday|thursday|friday|weekend|new|holidays|easter|christmas year? to? you? and? all|everyone|the|your? team?",
        "it|this? was|is good|nice|great|lovely to hear|meet|see|talk|speak from|with|to? you last|yesterday|again|on? \
         week|monday|tuesday|wednesday|thursday|friday?",
        "sorry|apologies for the|my late|delayed|slow|delay reply|response|answer|in? coming|getting|replying? back? to? you?",
        "i|we? hope|trust that? all's|everything's well|fine|good with|at|on? you|your? end|side|team?",
        "i|we? hope|trust the|your|this week|day|month|year|morning|week's|day's is|has|finds? treating|been|you? you|good|well? well|so? far?",
        "i|we? hope|trust that? you and your family|team|loved|colleagues ones? are all|both|doing|keeping? well|fine|safe",
        "warm|seasons|season's? greetings of|from the|a day|season?",
        "a|just quick one|note|word from me|us",
        "warm|kind|best|friendly greetings from|of a|an|the?",
        "further|with|in to|reference|regard|relation|connection to? our|your|my|the telephone|phone|recent|last? \
         conversation|call|e-mail|email|letter|meeting|message|order|invoice|above|enquiry|inquiry",
        "i am|'m writing to? you? with|in|about|regarding|concerning regard|reference|relation|connection? to? the|your|order|invoice|\
         our above?",
        "i'm writing to? you? with|in|about|regarding|concerning regard|reference|relation|connection? to? the|your|order|invoice|\
         our above?",
        "following up on our|your|my|the conversation|call|e-mail|email|letter|meeting|message",
        "just a quick|short note|message|line|one|question",
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
        "please? do? not|don't feel? hesitate|free to contact|call|email|reach|ask|write me|us out? with|if? any? further? questions?",
        "please? excuse|pardon|forgive any|my|the? brevity|typos|typo|spelling|typing|autocorrect or|and? \
         mistakes|errors|typos|brevity?",
    ],
    partings: &[
        "many? thanks|thank you? very|so? much? for your kind|continued|prompt? \
         time|attention|understanding|consideration|cooperation|patience and|in|to|with|regarding? your|this|the? \
         time|attention|understanding|consideration|cooperation|patience|matter?",
        "please? let me|us know what|how|if|as|when? you? can|think|soon? do|as? soon? as? possible?",
        "please? get|come back to me|us soon|asap|as? soon? as? possible?",
        "please? reply|respond|advise|confirm|help|assist soon|asap|urgently|accordingly|as? soon? as? possible?",
        "let me know if you need|have|want anything|any|more else|further|questions|information|details?",
        "any|your help|advice|assistance would|will|is be? greatly|much|very|highly? appreciated",
        "i|we? would|'d? appreciate a|your|any|the? quick|prompt|swift? help|reply|response|answer|assistance",
        "have a nice|good|great|lovely|wonderful|pleasant day|weekend|week|evening|afternoon|time|one ahead?",
        "i? wish|wishing you a nice|good|great|lovely|wonderful|pleasant day|weekend|week|evening|afternoon|time ahead?",
    ],
    sign_offs: &[
        "with? my|our? very? kind|kindest|best|warm|warmest|sincere|good regards|wishes|rgds|greetings from? to? you? all?",
        "with? regards|rgds from?",
        "many? thanks|thank you? very|so|once? much|again? in? advance? and|with? my|our? kind|kindest|best|warm|warmest? \
         regards|wishes|rgds",
        "with? many? thanks and with? kind|kindest|best|warm|warmest regards|wishes",
        "on|for behalf|and of|on behalf? of?",
        "yours|your very? sincerely|faithfully|respectfully|cordially",
        "sincerely|faithfully|respectfully yours?",
        "very? truly yours",
    ],
    thanks: &[
        "many? thanks|thank you? again|once|a|so|very|ever|in? much|lot|bunch|million|again?",
        "thx|tnx|thanx|cheers|ta",
        "with many? thanks",
        "thanking you",
        "signed",
        "lots? of? love",
    ],
    farewells: &[
        "all the? very? best",
        "best",
        "warmly|kindest|warmest",
        "yours truly?",
        "hugs|bests|bye",
        "bye for now",
        "till|until monday|tuesday|wednesday|thursday|friday|saturday|sunday|then|tomorrow|soon",
        "see you monday|tuesday|wednesday|thursday|friday|saturday|sunday|then|tomorrow",
        "have a good one",
        "stay well|safe",
        "in haste",
        "greetings|greeting from? the?",
        "take care",
        "cordially",
        "talk|speak|see to|with? you? soon",
        "br|kr|xoxo",
    ],
    devices: &[
        "sent|typed|dictated|written from|via|with|using|by|on|to|not my?",
        "get|download outlook|mail|spark|gmail for",
    ],
    notices: &[
        "we process your personal",
        "this|these|the contents|content? of? this? e-mail|email|mail|message|communication|transmission|correspondence",
        "this electronic e-mail|email|mail|message|communication|transmission",
        "the information contained|transmitted|in",
        "confidentiality notice|note|disclaimer|statement|warning",
        "confidential|disclaimer|privileged",
        "legal|important|privacy notice|disclaimer",
        "if you are not the|an|a intended|named|designated",
        "please? note|notice that? this|the e-mail|email|mail|message|communication|transmission",
        "if you have? received this|the e-mail|email|mail|message|communication|transmission? in|by error|mistake",
    ],
    lists: &[
        "to unsubscribe|opt",
        "to stop|manage|change receiving|getting|your|these",
        "you can|may unsubscribe|opt|manage|change",
        "don't|no longer? want|wish these|to|receive",
        "want to unsubscribe|change|manage",
        "add us|this to|address your|to",
        "follow us on",
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
        "to leave|mute the|this list|thread|group",
        "this mailbox|inbox|address|account|number is not|un|unmonitored|unattended",
        "please? quote|do|keep not? change? your|the|this reference|case|ticket|subject",
        "nothing in this e-mail|email|mail|message|communication|letter",
        "the sender of this",
        "authorised|authorized and regulated",
        "this survey is|was carried|conducted|run",
        "although the|we|reasonable company|sender|has|precautions",
        "save paper",
        "don't want to? hear|receive|get from|these|this",
        "message protected|scanned|checked by",
        "all prices exclude|are|include",
        "if you need|require|would|want this letter|message|document in",
        "correspondence with this",
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
        "company|vat|charity registration|reg|registered? no|number|nr",
        "e-mails|emails|calls|messages may|are|will be? recorded|monitored",
        "the? views|opinions are|expressed are? my|solely|those own|of",
        "all rights reserved",
        "copyright 2019|2020|2021|2022|2023|2024|2025|2026|2027|2028|2029|2030",
    ],
    banners: &[
        "caution|warning|attention|notice? this|the? external? e-mail|email|mail|message originated|originates|came|comes \
         from outside|external|an",
        "caution|warning|attention|notice? this|the? e-mail|email|mail|message was sent|received from outside|external|an",
    ],
    origins: &[
        "posted|submitted|received|created|opened|reviewed|written|published|logged|reported|raised|collected \
         by|on|in|at|via|from|through|using|online",
        "new message|ticket|review|comment|enquiry|inquiry|request|submission|feedback|response|case \
         from|via|received|on|created|submitted|opened|by|through",
        "you have|received received|a? a? new? message|ticket|review|comment|enquiry|inquiry|request|submission from|via|on|through",
        "message|ticket|review|comment|enquiry|inquiry|request|submission|feedback|response|case \
         from|via|received|created|submitted|opened|raised|logged by|on|via|from|in|through?",
        "verified purchase|buyer|customer|purchaser|guest|stay|reviewer|review|owner",
        "was this review|answer|comment|response helpful|useful",
        "translated from|by|automatically",
        "any other|further|additional|more comments|feedback|remarks|questions|thoughts",
        "anything else you would|want|wish like? to tell|share|add|say us|with? us?",
        "what would|do you like|want to tell|say|share us|with? us?",
        "please? explain|describe your answer|rating|experience|choice",
        "show|see|view original",
        "end of comment|message|review|text|transcript|feedback",
        "posted|edited|reviewed|updated|written about?",
        "please? type|write|reply your? reply? above|below this line",
        "reply above|below this line",
    ],
};
