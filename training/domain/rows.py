"""Owns the user's file: reading it, refusing what cannot train, and the held-out part.

Texts that are the same in lower case and with white space folded are one text: whatever
repeats stands on one side of the cut only, and once.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training import recipe
from training.data import normalised

# Below this a held-out part says nothing, and no fitting was ever tried.
FEWEST_TEXTS = 50
FEWEST_OF_A_LABEL = 5


@dataclass(frozen=True)
class Labelled:
    """A text and what a person said of it."""

    text: str
    label: str  # negative, neutral or positive


@dataclass(frozen=True)
class Parts:
    """What trains and what measures; no text is in both."""

    train: list[Labelled]
    held_out: list[Labelled]


def read(path: Path) -> list[Labelled]:
    """The file's texts, each once. A text that stands there with two labels is left out.
    Ends the program where a line cannot be used or too little is left."""
    if not path.is_file():
        raise SystemExit(f"{path}: there is no such file")
    by_text: dict[str, list[Labelled]] = {}
    fields = _read_all(path)
    for number, text, label in fields:
        if not isinstance(text, str) or not text.strip():
            raise SystemExit(f"{path}:{number}: `text` is blank")
        label = label.strip().lower() if isinstance(label, str) else label
        if label not in recipe.SENTIMENTS:
            raise SystemExit(
                f"{path}:{number}: `label` is {label!r}, not one of {', '.join(recipe.SENTIMENTS)}"
            )
        by_text.setdefault(normalised(text), []).append(Labelled(text, label))
    agreed = [same for same in by_text.values() if len({row.label for row in same}) == 1]
    rows = [same[0] for same in agreed]
    print(
        f"{path}: {len(fields)} texts, {len(rows)} used; {len(fields) - len(rows)} repeat others, "
        f"or stand there with two labels"
    )
    _refuse_too_few(path, rows)
    return rows


def labels_of(rows: list[Labelled]) -> list[str]:
    """The labels that occur, in the order of the three."""
    occurring = {row.label for row in rows}
    return [label for label in recipe.SENTIMENTS if label in occurring]


def split(rows: list[Labelled], share: float, seed: int) -> Parts:
    """Holds out a share of each label's texts, one at least. Which ones depends on the seed and
    the texts, not on their order in the file."""
    if not 0 < share < 1:
        raise SystemExit(f"--holdout is {share}: it has to lie between 0 and 1")
    shuffled = _shuffled(rows, seed)
    held_out: list[Labelled] = []
    for label in labels_of(rows):
        of_label = [row for row in shuffled if row.label == label]
        held_out += of_label[: max(1, round(share * len(of_label)))]
    apart = {row.text for row in held_out}
    return Parts([row for row in shuffled if row.text not in apart], held_out)


def some(rows: list[Labelled], count: int | None, seed: int) -> list[Labelled]:
    """So many of the rows, chosen by the seed; all where no count is given."""
    if count is None:
        return rows
    if not 0 < count <= len(rows):
        raise SystemExit(f"--examples is {count}: there are {len(rows)} texts to train on")
    return _shuffled(rows, seed)[:count]


def apart_from(rows: list[Labelled], measured: list[Labelled]) -> list[Labelled]:
    """The rows whose text is not among the measured ones."""
    texts = {normalised(row.text) for row in measured}
    return [row for row in rows if normalised(row.text) not in texts]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_all(path: Path) -> list[tuple[int, object, object]]:
    try:
        return list(_fields(path))
    except UnicodeDecodeError as error:
        raise SystemExit(f"{path}: byte {error.start} is not UTF-8: save it as UTF-8") from None


def _fields(path: Path) -> Iterator[tuple[int, object, object]]:
    """Line, text and label of each row; of a row over several lines, its last line."""
    if path.suffix in (".jsonl", ".ndjson"):
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    fields = json.loads(line)
                except json.JSONDecodeError as error:
                    raise SystemExit(f"{path}:{number}: not JSON: {error}") from None
                if not isinstance(fields, dict):
                    raise SystemExit(f"{path}:{number}: not a JSON object")
                yield number, fields.get("text"), fields.get("label")
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        missing = {"text", "label"} - set(table.fieldnames or [])
        if missing:
            raise SystemExit(
                f"{path}:1: no column {' and no column '.join(f'`{m}`' for m in sorted(missing))}; "
                f"it has {', '.join(table.fieldnames or ['none'])}"
            )
        for fields in table:
            yield table.line_num, fields["text"], fields["label"]


def _refuse_too_few(path: Path, rows: list[Labelled]) -> None:
    if len(rows) < FEWEST_TEXTS:
        raise SystemExit(f"{path}: {len(rows)} texts, and {FEWEST_TEXTS} are the fewest")
    counts = Counter(row.label for row in rows)
    if len(counts) == 1:
        raise SystemExit(f"{path}: every text is {rows[0].label}: there is nothing to tell apart")
    for label, count in counts.items():
        if count < FEWEST_OF_A_LABEL:
            raise SystemExit(
                f"{path}: {count} texts are {label}, and {FEWEST_OF_A_LABEL} are the fewest: "
                f"add some, or leave that label out"
            )


def _shuffled(rows: list[Labelled], seed: int) -> list[Labelled]:
    return sorted(
        rows, key=lambda row: hashlib.sha256(f"{seed}/{normalised(row.text)}".encode()).digest()
    )
