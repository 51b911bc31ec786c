"""No text of the behaviour suite, or of the examples to evaluate, trains, nor one that differs from it by a name or a number."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

from conftest import ROOT

from training.templates import templates

SUITE = ROOT / "tests" / "behaviour"
EXAMPLES = ROOT / "examples" / "evaluate.csv"
WRITTEN = ROOT / "training" / "sentences"


def shape(text: str) -> str:
    """The text without what may be changed in it without making it another: numbers, the capital
    letters that a name has inside a sentence, case, marks and white space."""
    text = re.sub(r"\d+(?:[.,:]\d+)*", "0", text)
    text = re.sub(r"(?<=[a-z,;] )[A-Z][\w'’]*", "Name", text)
    return " ".join(re.findall(r"\w+", text.lower()))


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def test_no_text_of_the_suite_trains() -> None:
    suite: dict[str, str] = {}
    for path in sorted(SUITE.glob("*.jsonl")):
        for case in rows(path)[1:]:
            for text in (case["text"], case.get("edited")):
                # A word, an emoji or "7 out of 10" alone belongs to nobody.
                words = shape(text or "").split()
                if len(words) >= 4 and len(words) > words.count("0") + 2:
                    suite[shape(text)] = f"{path.name}: {text}"
    with EXAMPLES.open(encoding="utf-8", newline="") as file:
        suite |= {shape(row["text"]): f"{EXAMPLES.name}: {row['text']}" for row in csv.DictReader(file)}
    assert len(suite) > 1_000
    trained = [row["text"] for path in WRITTEN.rglob("train.jsonl") for row in rows(path)]
    assert trained
    trained += [text for text, _ in templates(20_000, seed=1)]
    both = [suite[shape(text)] for text in trained if shape(text) in suite]
    assert not both, f"train and are tested: {both[:5]}"


def test_a_name_or_a_number_makes_no_new_text() -> None:
    assert shape("We told Alex twice, ticket 48213.") == shape("we told Maria twice, ticket 7")
    assert shape("The soup was cold.") != shape("The soup was hot.")
