"""Owns emoji: what the vocabulary of the base lacks, and what people say half of it with.

To the base an emoji is [UNK], and so is the word that it is glued to ("great😂"). Its
vocabulary has places that no word ever took, so that emoji cost no weights: each gets a
place, is cut out of the text before anything else, and starts as the mean of the words of
its Unicode name.
"""

from __future__ import annotations

import json
import unicodedata

import regex
import torch
from tokenizers import Tokenizer

# Faces, gestures, people, hearts, nature, food, things; no vehicles and no flags.
BLOCKS = [(0x2600, 0x27BF), (0x2B50, 0x2B50), (0x1F300, 0x1F64F), (0x1F900, 0x1F9FF)]
NEWER = [(0x1FAE0, 0x1FAE8), (0x1FAF0, 0x1FAF8)]  # faces and hands
# Older symbols that are drawn in colour only where a selector follows.
SYMBOLS = "❤♥❣☹☺✌☝✔♀♂‼☀☠✝"
SPOKEN = regex.compile(r"\p{Emoji_Presentation}")
# Words of Unicode names that say nothing of what is meant.
FILLERS = {"face", "with", "of", "and", "the", "sign", "symbol", "black", "white", "heavy"}


def characters() -> list[str]:
    """The emoji that get a place each, in the order of their code points."""
    ranges = [range(first, last + 1) for first, last in BLOCKS + NEWER]
    all_of_them = [chr(point) for points in ranges for point in points]
    spoken = {char for char in all_of_them if SPOKEN.match(char)} | set(SYMBOLS)
    return sorted(char for char in spoken if unicodedata.name(char, ""))


def with_emoji(tokenizer: Tokenizer) -> tuple[Tokenizer, dict[int, list[int]]]:
    """A tokenizer that knows emoji, and for each one's id those of the words of its name."""
    content = json.loads(tokenizer.to_str())
    words = content["model"]["vocab"]
    free = sorted(
        (number, word) for word, number in words.items() if regex.match(r"\[unused\d+\]$", word)
    )
    named = {}
    # A symbol that the base had as a word already (♥) moves to a place of this kind as well.
    for char, (number, word) in zip(characters(), free, strict=False):
        del words[word]
        words[char] = number
        # Not normalised: it is found in the text as it came.
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        content["added_tokens"].append({"id": number, "content": char, "special": False, **flags})
        named[number] = _words_of_name(char, tokenizer)
    content["added_tokens"].sort(key=lambda token: token["id"])
    return Tokenizer.from_str(json.dumps(content)), named


@torch.no_grad()
def embed(words: torch.Tensor, named: dict[int, list[int]], shift: int = 0) -> None:
    """Gives each emoji the mean of its name's words, as long as they are; `shift` is how far on
    an encoder keeps its word pieces."""
    for number, pieces in named.items():
        rows = words[torch.tensor(pieces, dtype=torch.long) + shift]
        mean = rows.mean(0) if pieces else torch.zeros(words.shape[1])
        words[number + shift] = mean * (rows.norm(dim=1).mean() / mean.norm()) if pieces else mean


def _words_of_name(char: str, tokenizer: Tokenizer) -> list[int]:
    """None for a skin tone, which only follows."""
    name = unicodedata.name(char).lower()
    if name.startswith("emoji modifier"):
        return []
    said = [word for word in name.split() if word not in FILLERS] or name.split()
    return tokenizer.encode(" ".join(said), add_special_tokens=False).ids
