"""The gateway's signals of the bundled model are those that were fitted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import ROOT, ask, served
from training.deferral import NEEDS, chances
from training.reader import Reader

BUNDLED = ROOT / "models" / "undertone-mini"
TEXTS = [
    "I love this phone, the battery lasts all day.",
    "Oh great, another update that breaks everything. Just what I needed.",
    "The food was delicious but the service was awful.",
    "The order arrived on Tuesday.",
    "Honestly, I have no idea what to think of it.",
]
# Floats are added in another order, so that an activation may fall on another step of 255.
APART = 0.03


def test_the_gateway_estimates_as_the_training_does(tmp_path: Path) -> None:
    calibration = json.loads((BUNDLED / "calibration.json").read_text())
    reader = Reader(BUNDLED / "model.onnx", BUNDLED / "tokenizer.json")
    with served(BUNDLED, tmp_path) as address:
        for text in TEXTS:
            verdict = ask(address, text, include=["signals"], route="local")
            said = {signal["name"]: signal["value"] for signal in verdict["signals"]}
            fitted = chances(reader.read(text), calibration)
            for name in NEEDS:
                assert said[name] == pytest.approx(fitted[name], abs=APART), f"{name}: {text}"
