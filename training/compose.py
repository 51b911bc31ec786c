"""Owns texts that are put together from labelled ones, so that their label is known: facts and then
a verdict, praise beside blame, many facts that nobody judges; and the pairs of a text and an edited
one (`edits.py`), of which the network must say the same.

What it makes are sets like the others (`data.py`), which shares of the recipe call by name:

| set | text | label |
|---|---|---|
| `sentiment/composed` | neutral sentences | neutral |
| | neutral sentences and one that judges | that one's |
| | two that judge alike | theirs |
| | two that contradict each other | mixed |
| `odds/composed` | the same texts | whether it is mixed |
| `sentiment/templates` | `templates.py` | by construction |
| `sentiment/edited`, `sarcasm/edited` | texts of other sets, with `edited` beside | the text's own |
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from training import recipe
from training.edits import edited

Fields = dict[str, Any]
NEUTRAL = "neutral"
# Longer ones say too much by themselves to be a part.
MOST_WORDS = 40
ENDS = (".", "!", "?", "…", ")", '"')


def composed(fields: Iterable[Fields], count: int, seed: int) -> list[Fields]:
    """So many texts out of the labelled ones, with `text`, `label` and `odds`."""
    parts: dict[str, list[str]] = {label: [] for label in recipe.SENTIMENTS}
    for one in fields:
        if one.get("label") in parts and len(one["text"].split()) <= MOST_WORDS:
            parts[one["label"]].append(one["text"])
    if not all(parts.values()):
        return []
    dice = random.Random(seed)
    makers: list[Callable[..., tuple[list[str], str]]] = [_neutral, _verdict, _verdict, _alike, _contrary]
    made = []
    for _ in range(count):
        texts, label = dice.choice(makers)(parts, dice)
        text = _joined(texts, dice)
        made.append({"text": text, "label": label, "odds": label == "mixed"})
    return made


def with_edits(fields: Iterable[Fields], share: float, seed: str) -> list[Fields]:
    """A share of some texts, each with `edited`, another form of the same; some twice."""
    made = []
    for one in fields:
        dice = random.Random(f"{seed}/{one['text']}")
        for turn in range(int(share) + (dice.random() < share % 1)):
            other = edited(one["text"], f"{seed}{turn}")
            if other != one["text"]:
                made.append({**one, "edited": other})
    return made


def _neutral(parts: dict[str, list[str]], dice: random.Random) -> tuple[list[str], str]:
    return dice.sample(parts[NEUTRAL], dice.choice((2, 2, 3, 3, 4, 5, 6))), NEUTRAL


def _verdict(parts: dict[str, list[str]], dice: random.Random) -> tuple[list[str], str]:
    """One that judges, among neutral ones: at the end in half of the cases."""
    label = dice.choice(("negative", "positive"))
    texts = dice.sample(parts[NEUTRAL], dice.choice((1, 1, 2, 2, 3, 4)))
    place = len(texts) if dice.random() < 0.5 else dice.randrange(len(texts) + 1)
    texts.insert(place, dice.choice(parts[label]))
    return texts, label


def _alike(parts: dict[str, list[str]], dice: random.Random) -> tuple[list[str], str]:
    label = dice.choice(("negative", "positive"))
    return dice.sample(parts[label], 2), label


def _contrary(parts: dict[str, list[str]], dice: random.Random) -> tuple[list[str], str]:
    texts = [dice.choice(parts["negative"]), dice.choice(parts["positive"])]
    if dice.random() < 0.3:
        texts.append(dice.choice(parts[NEUTRAL]))
    dice.shuffle(texts)
    return texts, "mixed"


def _joined(texts: list[str], dice: random.Random) -> str:
    """Sentences one after the other, each with an end of its own."""
    between = dice.choice((" ", " ", " ", "\n"))
    return between.join(text if text.rstrip().endswith(ENDS) else text.rstrip() + "." for text in texts)
