"""Owns texts that are made from word lists, with a label known by construction: ratings,
comparisons, wishes, prices, notes, emoji, people of all groups. Each pattern has near misses with
another label, so that no number, star or word gives the label away.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from training import emoji

Labelled = tuple[str, str]  # a text and its label
POSITIVE, NEGATIVE, NEUTRAL, MIXED = "positive", "negative", "neutral", "mixed"

THINGS = (
    "kettle toaster phone laptop jacket course hotel app update router printer lamp mattress bike tent "
    "blender camera charger keyboard chair desk sofa book film game album restaurant pizza coffee sandwich flight "
    "train bus taxi delivery courier bank insurance gym school teacher doctor dentist clinic garage landlord "
    "vacuum headset monitor speaker backpack suitcase stroller carpet paint drill ladder heater fan freezer "
    "oven website checkout newsletter podcast workshop museum concert hairdresser tailor plumber"
).split()
PARTS = (
    "battery screen sound lid strap zip handle menu search box wheel cable fabric filter hinge sleeve button "
    "manual engine seat window heating service staff queue price room breakfast design interface"
).split()
BETTER = (
    "better quicker quieter sturdier lighter cheaper sharper warmer smoother tastier friendlier comfier simpler "
    "cleaner tidier roomier brighter fresher kinder nicer safer steadier"
).split()
WORSE = (
    "worse slower noisier flimsier clumsier dearer blurrier colder bumpier blander ruder harder dirtier "
    "messier tighter dimmer staler pricier uglier riskier shakier"
).split()
GOOD_DEED = (
    "arrived on time", "worked at the first try", "kept its colour", "lasted the whole week", "fitted", "come with a case",
    "answered within a day", "stayed dry", "charged in an hour", "been open on Sundays",
)  # fmt: skip
PEOPLE = (
    "a Nigerian|a Polish|a Chinese|an Indian|a Mexican|a Turkish|an American|a German|an Israeli|a Palestinian|an Arab|"
    "a Black|a white|an Asian|a Roma|a Muslim|a Jewish|a Christian|a Hindu|a Buddhist|an atheist|a gay|a lesbian|a bisexual|"
    "a trans|a straight|an old|a young|a disabled|a deaf|a blind|an autistic|a pregnant|a homeless|an immigrant|a rural"
).split("|")
WHO = "woman man neighbour colleague student nurse driver customer teacher friend couple person".split()
DOES_NEUTRAL = (
    "lives on the second floor", "works in the next office", "ordered two coffees", "asked for the way to the station",
    "runs the shop at the corner", "has signed up for the course", "sat in the row behind us", "moved here in spring",
    "will call back on Monday", "filled in the form", "is on the list for Thursday", "waited at the bus stop",
)  # fmt: skip
DOES_GOOD = (
    "helped us carry the pram upstairs and would not take a penny", "was wonderful with the children",
    "explained it all so kindly", "made us feel at home", "fixed it in ten minutes and was lovely about it",
)  # fmt: skip
DOES_BAD = (
    "shouted at my mother for no reason", "was rude to everyone in the queue", "lied to us about the deposit",
    "left us standing in the rain and never apologised", "ruined the evening with his moaning",
)  # fmt: skip
# Newer than the lexicon, or rare in it: what people mean by them.
NEWER = {
    POSITIVE: "🥰🤩🥳🤗🫶🤌🥹🫡🤝💯🙌👏🎉💖💗🔥👌👍😍😎🏆💪🫂✨😋🤤😇💐🍀🥂",
    NEGATIVE: "🤬🤮🤢🤡🙄😤😡😠👎💩🖕😒😞😩😫🥴🫠🥲😭💔😑🙃🤦😖😣😷🤕🚮🪦🫤",
    NEUTRAL: "📦📅📍🚌🚲📞📎🧾🔑🪑🧺🗂🧭🗓📏🔋🖨🧱🪜🚪🛒🏠🕐📌📄🔗💼📐🧮🗺",
}
LEANS = 0.3  # from which polarity of the lexicon on an emoji says something
SAYS_NOTHING = 0.08
SEEN = 40  # in at least so many tweets

Fill = Callable[[random.Random], Labelled]


def templates(count: int, seed: int, lexicon: Path | None = None) -> Iterator[Labelled]:
    """So many texts and labels, the same ones every time; emoji of `lexicon` among them, where the
    file is there (its form: `emotion/emoji_polarity.json` in training/README.md)."""
    dice = random.Random(seed)
    spoken = polar(lexicon)
    makers = [*MAKERS, *[lambda dice: with_emoji(spoken, dice)] * 3]
    for _ in range(count):
        text, label = dice.choice(makers)(dice)
        yield (text if dice.random() < 0.8 else text.lower()), label


def polar(lexicon: Path | None) -> dict[str, list[str]]:
    """Emoji that the vocabulary knows, by what they say."""
    known = set(emoji.characters())
    spoken = {label: [char for char in chars if char in known] for label, chars in NEWER.items()}
    listed = json.loads(lexicon.read_text(encoding="utf-8")) if lexicon and lexicon.exists() else {}
    told = {char for chars in NEWER.values() for char in chars}
    for char, seen in listed.items():
        char = char.strip("\ufe0f")
        if char not in known or char in told or _count(seen) < SEEN or not unicodedata.name(char, ""):
            continue
        polarity = seen["polarity"]
        if polarity >= LEANS:
            spoken[POSITIVE].append(char)
        elif polarity <= -SAYS_NOTHING:
            spoken[NEGATIVE].append(char)
    return spoken


def _count(seen: dict[str, float]) -> float:
    return sum(seen[name] for name in ("negative", "neutral", "positive"))


def with_emoji(spoken: dict[str, list[str]], dice: random.Random) -> Labelled:
    """Emoji alone, several, or after words that say nothing."""
    label = dice.choice((POSITIVE, NEGATIVE, POSITIVE, NEGATIVE, NEUTRAL))
    chars = spoken[label]
    many = dice.choice(chars) * dice.choice((1, 1, 1, 2, 3))
    if dice.random() < 0.3:
        many += dice.choice(chars)
    kind = dice.randrange(4)
    if kind == 0:
        return many, label
    words = [
        dice.choice(THINGS).capitalize(), f"The {dice.choice(THINGS)}", f"New {dice.choice(THINGS)}", f"{dice.choice(PARTS)} today",
        f"At the {dice.choice(THINGS)}", f"My {dice.choice(THINGS)} came", f"Day {dice.randrange(2, 9)} with the {dice.choice(THINGS)}",
        f"About the {dice.choice(THINGS)}", f"Got the {dice.choice(THINGS)} yesterday", "Monday", "Update", "So this is it", "The results are in",
    ]  # fmt: skip
    text = dice.choice(words) + dice.choice((" ", "", ". ", ": ")) + many
    return (f"{many} {text[: -len(many)].rstrip(' :.')}", label) if kind == 1 else (text, label)


def rating(dice: random.Random) -> Labelled:
    """A rating by digits, stars or words, bare or with what it is for."""
    most = dice.choice((5, 5, 5, 10, 10, 10, 100))
    step = dice.choice((1, 1, 1, 0.5)) if most < 100 else 1
    points = min(most, dice.randrange(0, most + 1) + (0.5 if step < 1 else 0))
    share, said = points / most, f"{points:g}"
    label = POSITIVE if share >= 0.7 else NEGATIVE if share <= 0.45 else NEUTRAL
    forms = [f"{said}/{most}", f"{said} / {most}", f"{said} out of {most}", f"Rating: {said}/{most}", f"Score {said}/{most}", f"{said}/{most}"]
    if most == 5:
        whole = int(points)
        forms += [f"{said} stars", f"{said} star{'' if points == 1 else 's'}.", f"{said}*", f"{said}-star"]
        if points == whole:
            forms += ["★" * whole + "☆" * (5 - whole)] * 2 + (["⭐" * whole] if whole else [])
            forms += [f"{('zero', 'one', 'two', 'three', 'four', 'five')[whole]} stars", f"{('Zero', 'One', 'Two', 'Three', 'Four', 'Five')[whole]} out of five"]
    if most == 100:
        forms = [f"{said}/100", f"{said} out of 100", f"Overall: {said}/100", f"{said} points of 100"]
    form, thing = dice.choice(forms), dice.choice(THINGS)
    around = [
        "{0}", "{0}.", "{0}", "{0} from me", "{0} for the {1}", "The {1}: {0}", "{1}: {0}", "I give the {1} {0}", "I'd give it {0}", "{0} overall", "Gave the {1} {0}.",
        "{0}, {1}", "My rating for this {1}: {0}", "{0} – {1} of last week", "Bought the {1} in May. {0}", "{0}. Bought for my brother.", "That's {0} from us.",
    ]  # fmt: skip
    return dice.choice(around).format(form, thing), label


def no_rating(dice: random.Random) -> Labelled:
    """Numbers and stars that rate nothing."""
    low, high = dice.randrange(1, 6), dice.choice((5, 6, 8, 10))
    forms = [
        f"Page {low}/{high}", f"Part {low} of {high}", f"Step {low} out of {high}: attach the {dice.choice(PARTS)}", f"Chapter {low}/{high} is due on Friday",
        f"Seats {low} and {high} are in row {dice.randrange(1, 30)}", f"We booked a {low}-star hotel near the station", f"The show has {high} stars in the cast", f"{low}/{high} people have signed up",
        f"The flag has {low} stars", f"Level {low}/{high}", f"Size {low}/{high}", f"Delivered on {low}/{high}", f"{low} of the {high} boxes hold {dice.choice(THINGS)}s",
        f"How many stars does the {dice.choice(THINGS)} have?", f"Question {low}/{high}: which {dice.choice(THINGS)} do you use?", f"Is {low}/{high} a good score for a {dice.choice(THINGS)}?",
    ]  # fmt: skip
    return dice.choice(forms), NEUTRAL


def comparison(dice: random.Random) -> Labelled:
    thing, part, gain, loss = dice.choice(THINGS), dice.choice(PARTS), dice.choice(BETTER), dice.choice(WORSE)
    other = dice.choice(("my old one", "the last one", "the one from the other brand", "last year's", "the previous version", "what we had before", "the others that I tried"))
    year = dice.randrange(2010, 2025)
    forms = [
        (f"This {thing} is {gain} than {other}", POSITIVE), (f"The {part} is {gain} than on {other}", POSITIVE), (f"So much {gain} than {other}.", POSITIVE),
        (f"{other.capitalize()} was {loss} than this {thing}", POSITIVE), (f"I'd take this {thing} over {other} any day", POSITIVE), (f"Beats {other} hands down", POSITIVE),
        (f"{other.capitalize()} can't hold a candle to this {thing}", POSITIVE),
        (f"This {thing} is {loss} than {other}", NEGATIVE), (f"The {part} is {loss} than on {other}", NEGATIVE), (f"{other.capitalize()} was {gain} than this {thing}", NEGATIVE),
        (f"Not as good as {other}", NEGATIVE), (f"No {gain} than {other}, and it costs more", NEGATIVE), (f"I should have kept {other}; it was {gain}", NEGATIVE), (f"{other.capitalize()} did it {gain}.", NEGATIVE),
        (f"The {part} is {gain}, the rest is {loss} than on {other}", MIXED), (f"{gain.capitalize()} than {other}, but the {part} is {loss}", MIXED),
        (f"Is this {thing} {gain} than {other}?", NEUTRAL), (f"This {thing} has the same {part} as {other}", NEUTRAL), (f"Compared with {other}, this {thing} has one more {part}", NEUTRAL), (f"The {thing} of {year} has a larger {part} than that of {year + 1}", NEUTRAL),
    ]  # fmt: skip
    return dice.choice(forms)


def unreal(dice: random.Random) -> Labelled:
    thing, part, gain, deed = dice.choice(THINGS), dice.choice(PARTS), dice.choice(BETTER), dice.choice(GOOD_DEED)
    stars = dice.choice(("five stars", "full marks", "top marks", "a glowing review", "a ten"))
    forms = [
        (f"I wish the {part} were {gain}", NEGATIVE), (f"If only the {thing} had {deed}", NEGATIVE), (f"It would have been great if it had {deed}", NEGATIVE), (f"Would have got {stars} if the {thing} had {deed}", NEGATIVE),
        (f"I would love this {thing} if the {part} worked", NEGATIVE), (f"If I could give zero stars to this {thing}, I would", NEGATIVE), (f"I wanted to love this {thing}, I really did", NEGATIVE), (f"A good {thing} would have {deed}", NEGATIVE),
        (f"I wish I had never bought this {thing}", NEGATIVE), (f"It should have {deed}", NEGATIVE), (f"Had it {deed}, I would be praising it now", NEGATIVE),
        (f"I wish I had found this {thing} sooner", POSITIVE), (f"If I could give the {thing} six stars, I would", POSITIVE), (f"I wish every {thing} were like this one", POSITIVE), (f"If mine ever broke I would buy the same {thing} the same day", POSITIVE), (f"Could not have wished for a {gain} {thing}", POSITIVE),
        (f"If you need a {thing}, there is one on the second floor", NEUTRAL), (f"I would like to know if the {thing} has {deed}", NEUTRAL), (f"If the {part} is empty, refill it", NEUTRAL), (f"Should the {thing} arrive on Monday, leave it next door", NEUTRAL),
        (f"Could you make the {part} {gain} in the next version?", NEUTRAL), (f"Please add a {part} to the {thing}", NEUTRAL),
    ]  # fmt: skip
    return dice.choice(forms)


def price(dice: random.Random) -> Labelled:
    thing, sum_ = dice.choice(THINGS), f"{dice.choice('$£€')}{dice.choice((3, 4.5, 9.99, 12, 19.90, 25, 49, 80, 120, 350)):g}"
    forms = [
        (f"The {thing} costs {sum_}", NEUTRAL), (f"Shipping is {sum_}, free from {dice.choice((30, 50, 100))} on", NEUTRAL), (f"I paid {sum_} for the {thing}", NEUTRAL), (f"Is the {thing} still {sum_}?", NEUTRAL), (f"{thing.capitalize()}, {sum_} a month", NEUTRAL), (f"Total: {sum_} for {dice.randrange(2, 9)} items", NEUTRAL), (f"Refund of {sum_} for order {dice.randrange(1000, 99999)} was issued", NEUTRAL),
        (f"{sum_} for a {thing} like that is daylight robbery", NEGATIVE), (f"Charged {sum_} twice for one {thing}", NEGATIVE), (f"{sum_} and the {thing} doesn't even work", NEGATIVE), (f"Paid {sum_} for a {thing} that came broken", NEGATIVE), (f"They added {sum_} that nobody had told me of", NEGATIVE), (f"Not worth {sum_}", NEGATIVE),
        (f"For {sum_} you won't find a better {thing}", POSITIVE), (f"Only {sum_} and it does all I need", POSITIVE), (f"A steal at {sum_}", POSITIVE), (f"Worth every cent of the {sum_}", POSITIVE), (f"The {thing} was {sum_} and I would have paid twice that", POSITIVE),
    ]  # fmt: skip
    return dice.choice(forms)


def note(dice: random.Random) -> Labelled:
    thing, number = dice.choice(THINGS), dice.randrange(1000, 99999)
    day = dice.choice(("Monday", "Tuesday", "Friday", "3 May", "the 14th", "next week", "tomorrow"))
    hour = f"{dice.randrange(7, 20)}:{dice.choice(('00', '15', '30', '45'))}"
    level = dice.choice(("INFO", "WARN", "ERROR", "DEBUG"))
    forms = [
        f"Order #{number} was handed to the courier on {day}", f"Your {thing} will arrive {day} between {hour} and {dice.randrange(20, 23)}:00", f"Meeting about the {thing} moved to {day}, {hour}", f"Contents: 1 {thing}, 1 cable, 4 screws",
        f"{level} {hour} job {number} finished in {dice.randrange(2, 900)} ms", f"Status of case {number}: waiting for customer", f"{thing.capitalize()} in stock: {dice.randrange(1, 90)}", f"Reminder: {thing} on {day} at {hour}", f"Invoice {number} is due on {day}",
        f"Kill the process with id {number} and start it again", f"Set the error level to {dice.randrange(1, 9)}", f"v{dice.randrange(1, 9)}.{dice.randrange(0, 20)}: renamed the {dice.choice(PARTS)} option", f"Where do I find the {thing} form?", f"The {thing} has {dice.randrange(2, 9)} settings for the {dice.choice(PARTS)}",
        f"Press the {dice.choice(PARTS)} for {dice.randrange(2, 9)} seconds until the light is red", f"I have a {thing} and two {dice.choice(THINGS)}s", f"The {thing} is black and the {dice.choice(PARTS)} grey", f"We open at {hour} on {day}",
    ]  # fmt: skip
    return dice.choice(forms), NEUTRAL


def people(dice: random.Random) -> Labelled:
    who = f"{dice.choice(PEOPLE)} {dice.choice(WHO)}"
    kind = dice.randrange(6)
    if kind == 0:
        return f"{who.capitalize()} {dice.choice(DOES_GOOD)}", POSITIVE
    if kind == 1:
        return f"{who.capitalize()} {dice.choice(DOES_BAD)}", NEGATIVE
    if kind == 2:
        return f"My boss is {who}", NEUTRAL
    if kind == 3:
        return f"I am {who}", NEUTRAL
    return f"{who.capitalize()} {dice.choice(DOES_NEUTRAL)}", NEUTRAL


MAKERS: list[Fill] = [rating, rating, rating, no_rating, comparison, comparison, unreal, unreal, price, note, note, people]
