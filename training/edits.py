"""Owns edits that change nothing of what a text says: the frame of a mail, a form's marker, slips
of the keyboard, case, mark-up. A text and an edited one train side by side, and the network
is held to say the same of both (`fit.py`).

The pieces of frames are in `training/sentences/frames.jsonl`, written for this project. Every choice
follows from the text and the seed alone.
"""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

Edit = Callable[[str, random.Random], str]

FRAMES = Path(__file__).parent / "sentences" / "frames.jsonl"
WORD = re.compile(r"[A-Za-z]{4,}")
# Beside each key its neighbours on the keyboard's row.
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
TAGS = ("just saying", "throwback", "tuesday", "myview", "thoughts", "update", "fyi", "2024", "now")


@cache
def frames(part: str) -> list[str]:
    """The pieces of one part of a frame."""
    lines = FRAMES.read_text(encoding="utf-8").splitlines()
    return [line["text"] for line in map(json.loads, lines) if line["part"] == part]


def edited(text: str, seed: str = "") -> str:
    """The text after one or two edits, always the same ones."""
    dice = random.Random(f"{seed}/{text}")
    for _ in range(dice.choice((1, 1, 2))):
        (edit,) = dice.choices(list(EDITS), list(EDITS.values()))
        text = edit(text, dice)
    return text


def slip(text: str, dice: random.Random) -> str:
    """One or two words, misspelt as fingers do it."""
    for _ in range(dice.choice((1, 1, 1, 2))):
        words = list(WORD.finditer(text))
        if not words:
            return text
        word = dice.choice(words)
        text = text[: word.start()] + _misspelt(word[0], dice) + text[word.end() :]
    return text


def _misspelt(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word) - 1)
    kind = dice.choice(("swap", "swap", "swap", "drop", "double", "neighbour"))
    if kind == "swap":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "drop":
        return word[:at] + word[at + 1 :]
    if kind == "double":
        return word[: at + 1] + word[at:]
    row = next(row for row in KEYS if word[at].lower() in row)
    place = row.index(word[at].lower())
    return word[:at] + row[place - 1 if place else 1] + word[at + 1 :]


def _greeted(text: str, dice: random.Random) -> str:
    opening = _piece("opening", dice) + " " if dice.random() < 0.3 else ""
    return _piece("greeting", dice) + dice.choice(("\n\n", "\n", " ")) + opening + text


def _signed(text: str, dice: random.Random) -> str:
    return text + dice.choice(("\n\n", "\n", " ")) + _piece("sign_off", dice)


def _mail(text: str, dice: random.Random) -> str:
    text = _signed(_greeted(text, dice), dice)
    for part, chance in (("signature", 0.3), ("footer", 0.3), ("device", 0.15), ("quoted", 0.15)):
        if dice.random() < chance:
            text += "\n\n" + _piece(part, dice)
    return text


def _after(*parts: str) -> Edit:
    return lambda text, dice: text + dice.choice(("\n\n", "\n\n", "\n")) + _piece(dice.choice(parts), dice)


def _before(*parts: str) -> Edit:
    return lambda text, dice: _piece(dice.choice(parts), dice).rstrip() + dice.choice((" ", "\n")) + text


def _piece(part: str, dice: random.Random) -> str:
    return dice.choice(frames(part))


def _case(text: str, dice: random.Random) -> str:
    return dice.choice((str.lower, str.upper, str.title, str.capitalize))(text)


def _marked_up(text: str, dice: random.Random) -> str:
    kind = dice.randrange(6)
    if kind == 0:
        return f"<p>{html.escape(text)}</p>"
    if kind == 1:
        return text.replace(". ", ".<br>") + "<br/>"
    if kind == 2:
        return f"{text} #{dice.choice(TAGS).replace(' ', '')}"
    if kind == 3:
        return f"@user {text}"
    if kind == 4:
        return f"{text} http://t.co/{''.join(dice.choices('abcdefghkmnpqrstuvwxyzABCDEF0123456789', k=10))}"
    return f'"{text}"'


def _stretched(text: str, dice: random.Random) -> str:
    """A letter of a longer word several times, or a mark at the end."""
    words = list(WORD.finditer(text))
    if words and dice.random() < 0.5:
        word = dice.choice(words)
        at = word.end() - 1
        return text[:at] + text[at] * dice.randrange(3, 6) + text[word.end() :]
    return text.rstrip(".! ") + dice.choice(("!", "!!", "...", "..", " .", " !"))


# Each edit, and how often.
EDITS: dict[Edit, float] = {
    slip: 8,
    _case: 1,
    _greeted: 1.5,
    _signed: 2.5,
    _mail: 2,
    _after("footer", "device", "signature", "quoted"): 3,
    _before("reference", "marker"): 3,
    _marked_up: 2,
    _stretched: 1.5,
}
