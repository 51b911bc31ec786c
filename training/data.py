"""Owns reading the data directory and deciding which text may train.

Layout: DIR/{sentiment,sarcasm,emotion,aspects}/SET/{train,dev}.jsonl (or .csv with
`text` and `label`). Anything else in DIR, `domain/` above all, is never opened.
A text that is in any dev set, or was set aside for calibration, trains nothing.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import recipe
from training.compose import composed, with_edits
from training.templates import templates

# Reviews come with their words and marks apart, or not.
SENTENCE_ENDS = re.compile(r"(?<=[.!?]) (?![.!?])")

BEFORE_MARK = re.compile(r"\s+(n't\b|'\w+|[.,!?;:%)\]}])")
AFTER_MARK = re.compile(r"([(\[{])\s+")

FOLDS = 5  # into which texts fall whose own part in a fit must not measure it


@dataclass(frozen=True)
class Row:
    """One labelled text, as its file states it."""

    set: str  # "sentiment/sst2"
    text: str
    fields: dict[str, Any]

    @property
    def task(self) -> str:
        return (recipe.TASKS | recipe.MADE)[self.set.split("/")[0]]


@dataclass(frozen=True)
class Split:
    """What trains, what calibrates and what measures; no text is in two of them."""

    train: list[Row]
    aside: list[Row]
    dev: list[Row]


def normalised(text: str) -> str:
    """The form under which two texts count as the same: lower case, whitespace folded."""
    return " ".join(text.lower().split())


def alike(text: str) -> str:
    """The text in lower case, its marks where English puts them: sets differ in both."""
    return AFTER_MARK.sub(r"\1", BEFORE_MARK.sub(r"\1", normalised(text)))


# What stands between two tokens that nobody writes a blank between.
CUT = re.compile(
    r"(?<=\S)(?P<before> )(?=(?:n't|'\w+|[.,!?;:%)\]}])(?:\s|$))|(?<=[(\[{$#])(?P<after> )(?=\S)"
)


def as_written(fields: dict[str, Any]) -> dict[str, Any]:
    """A row whose text was cut into tokens, without the blanks that the cutting added; the
    offsets of its aspects move along."""
    text = fields["text"]
    cut = [match.start() for match in CUT.finditer(text)]
    if not cut:
        return fields

    def moved(place: int) -> int:
        return place - sum(at < place for at in cut)

    gone = set(cut)
    aspects = [
        {**aspect, "from": moved(aspect["from"]), "to": moved(aspect["to"])}
        if aspect.get("term") is not None
        else aspect
        for aspect in fields.get("aspects", [])
    ]
    written = "".join(char for at, char in enumerate(text) if at not in gone)
    return {**fields, "text": written, "aspects": aspects}


def fold(text: str) -> int:
    """Which of the five folds a text belongs to: the same in every set."""
    return hashlib.sha256(normalised(text).encode()).digest()[0] % FOLDS


def _letters(text: str) -> str:
    """A stricter form: two sets that carry the same text may have cut its words differently. Only
    what trains is held to it, so that what is set aside stays what earlier runs set aside."""
    return "".join(filter(str.isalnum, text.lower())) or text


def sets(data: Path) -> list[str]:
    """The sets of a data directory and the written ones, sorted; `domain/` and unknown
    folders are left out."""
    found = _folders(data)
    if not found:
        raise SystemExit(
            f"{data} holds no sets: expected {', '.join(recipe.TASKS)} folders with SET/train.jsonl"
        )
    return sorted(found | _folders(recipe.WRITTEN))


def measured_sets(data: Path) -> list[str]:
    """The sets whose dev texts have labels to measure by."""
    return [name for name in sets(data) if name not in recipe.WITHOUT_LABEL]


def _folders(data: Path) -> set[str]:
    return {
        f"{folder}/{path.name}"
        for folder in recipe.TASKS
        if (data / folder).is_dir()
        for path in (data / folder).iterdir()
        if path.is_dir()
    }


def read(data: Path, name: str, part: str) -> Iterator[Row]:
    """The rows of one part (`train` or `dev`) of a set; none where the file is missing."""
    written = recipe.WRITTEN if part == "train" else recipe.WRITTEN_DEV
    home = data if (data / name).is_dir() else written
    lines, table = home / name / f"{part}.jsonl", home / name / f"{part}.csv"
    if lines.exists():
        with lines.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                fields = json.loads(line)
                if not isinstance(fields.get("text"), str):
                    raise SystemExit(f"{lines}:{number}: no string `text`")
                if name in recipe.TOKENISED:
                    fields = as_written(fields)
                yield Row(name, fields["text"], fields)
    elif table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            for fields in csv.DictReader(file):
                yield Row(name, fields["text"], dict(fields))


def split(data: Path) -> Split:
    """Reads everything once and takes out of train what is measured or calibrated on."""
    names = sets(data)
    dev = [row for name in names for row in read(data, name, "dev")]
    measured = {normalised(row.text) for row in dev}
    treebank_dev = [row.text for row in dev if row.set in ("sentiment/sst2", "sentiment/sst5")]
    pieces = set(_pieces(treebank_dev))

    kept: dict[str, list[Row]] = {}
    for name in names:
        kept[name] = _without(read(data, name, "train"), measured, pieces)

    aside: list[Row] = []
    for name in names:
        if name not in recipe.PIECES and recipe.SHARES.get(name, 1) > 0:
            aside += _set_aside(kept[name])
    calibrating = {normalised(row.text) for row in aside}
    pieces = set(_pieces(row.text for row in aside if row.set == "sentiment/sst5"))
    apart = {_letters(row.text) for row in dev + aside}
    whole = [
        row
        for name in names
        for row in _without(kept[name], calibrating, pieces)
        if _letters(row.text) not in apart
    ]
    train = [_run_of_words(row) for row in whole]
    train += _not_sarcastic(train, measured | calibrating)
    train += _odds(train)
    taught = [row for row in _taught(whole) if _letters(row.text) not in apart]
    made = _made(train, data)
    made += _edited(train + made)
    return Split(train + made + taught + _overall(train), aside, dev)


def _made(train: list[Row], data: Path) -> list[Row]:
    """What is put together from labelled texts and from word lists."""
    parts = [row.fields for row in train if row.set in recipe.PARTS_OF_COMPOSED]
    fields = composed(parts, recipe.COMPOSED, recipe.MADE_SEED)
    rows = [Row("sentiment/composed", one["text"], one) for one in fields]
    rows += [Row("odds/composed", one["text"], one) for one in fields]
    lexicon = data / recipe.EMOJI_POLARITY
    for text, label in templates(recipe.TEMPLATES, recipe.MADE_SEED, lexicon):
        rows.append(Row("sentiment/templates", text, {"text": text, "label": label}))
    return rows


def _edited(train: list[Row]) -> list[Row]:
    """Texts once more, each beside an edited form of which the same must be said."""
    return [
        Row(f"{name.split('/')[0]}/edited", fields["text"], fields)
        for name, share in recipe.EDITED.items()
        for fields in with_edits(
            ({**row.fields, "text": row.text} for row in train if row.set == name), share, name
        )
    ]


def _not_sarcastic(train: list[Row], apart: set[str]) -> list[Row]:
    """More of what is not sarcastic: plain texts, and what the writers of sarcastic ones
    said that they had meant."""
    plain = [
        Row("sarcasm/plain", row.text, {"text": row.text, "label": "not_sarcastic"})
        for row in train
        if row.set in recipe.PLAIN_SETS
    ]
    meant = [
        Row(row.set, row.fields["rephrase"], {"label": "not_sarcastic"})
        for row in train
        if row.task == "sarcasm" and row.fields.get("rephrase")
    ]
    return plain + [row for row in meant if normalised(row.text) not in apart]


def _odds(train: list[Row]) -> list[Row]:
    """Whole texts that like one thing and dislike another, or do not: what the aspect sets' terms
    come to, what their writers labelled so, and plain texts, which rarely do."""
    odds = []
    for row in train:
        if row.task == "aspects" and "aspects" in row.fields:
            name, is_so = "odds/aspects", overall_label(row.fields["aspects"]) == "mixed"
        elif row.set in recipe.MIXED_IS_KNOWN:
            name, is_so = "odds/written", row.fields.get("label") == "mixed"
        elif row.set in recipe.PLAIN_SETS:
            name, is_so = "odds/plain", False
        else:
            continue
        odds.append(Row(name, row.text, {"text": row.text, "odds": is_so}))
    return odds


def _run_of_words(row: Row) -> Row:
    """The row, or of a text too long to train a run of its words, somewhere in it."""
    words = row.text.split()
    most = recipe.MOST_WORDS.get(row.set, len(words))
    if len(words) <= most:
        return row
    start = random.Random(row.text).randrange(len(words) - most + 1)
    text = " ".join(words[start : start + most])
    return Row(row.set, text, {**row.fields, "text": text})


def _taught(train: list[Row]) -> list[Row]:
    """Texts that only the teacher answers, for the tasks that nobody labelled them for. Of long
    texts these are sentences."""
    return [
        Row(name, text, {"text": text})
        for name, sources in recipe.TAUGHT.items()
        for row in train
        if row.set in sources
        for text in _sentences(row)
        if _place(text) < sources[row.set]
    ]


def _sentences(row: Row) -> list[str]:
    """The sentences of a long text that have words enough to say something and few enough to be
    one; a text of another set as it is."""
    if row.set not in recipe.MOST_WORDS:
        return [row.text]
    sentences = SENTENCE_ENDS.split(" ".join(row.text.split()))
    fewest, most = recipe.SENTENCE_WORDS
    return [text for text in sentences if fewest <= len(text.split()) <= most]


def _place(text: str) -> float:
    """Where a text stands between 0 and 1, which depends on nothing else."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def _overall(train: list[Row]) -> list[Row]:
    """Whole texts with the sentiment that the labels of all their terms come to; those with
    neutral terms alone say too little."""
    overall = []
    for row in train:
        if row.task != "aspects" or "aspects" not in row.fields:
            continue
        label = overall_label(row.fields["aspects"])
        if label:
            overall.append(Row("sentiment/overall", row.text, {"text": row.text, "label": label}))
    return overall


def overall_label(aspects: list[dict[str, Any]]) -> str | None:
    """What the labels of a text's terms come to; None where they are neutral, or there is none."""
    polarities = {aspect["polarity"] for aspect in aspects}
    sides = polarities & {"negative", "positive"}
    return "mixed" if len(sides) == 2 or "conflict" in polarities else min(sides, default=None)


def fingerprint(rows: Iterable[Row]) -> str:
    """SHA-256 over the rows' sets and texts, in order: names what a figure was fitted on."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row.set}\t{row.text}\n".encode())
    return digest.hexdigest()


def _without(rows: Iterable[Row], texts: set[str], pieces: set[str]) -> list[Row]:
    kept = []
    for row in rows:
        text = normalised(row.text)
        if not text or text in texts or (row.set in recipe.PIECES and text in pieces):
            continue
        kept.append(row)
    return kept


def _pieces(sentences: Iterable[str]) -> Iterator[str]:
    """Every run of four words or more of the sentences."""
    for sentence in sentences:
        words = normalised(sentence).split()
        for start in range(len(words)):
            for end in range(start + recipe.PIECE_WORDS, len(words) + 1):
                yield " ".join(words[start:end])


def _set_aside(rows: list[Row]) -> list[Row]:
    if not rows:
        return []
    name = rows[0].set
    most = recipe.ASIDE_MOST.get(name, recipe.ASIDE_MOST_DEFAULT)
    count = min(most, int(len(rows) * recipe.ASIDE_SHARE))
    # Seeded by the set's name too: adding a set leaves the others' choice as it was.
    return random.Random(f"{recipe.ASIDE_SEED}/{name}").sample(rows, count)
