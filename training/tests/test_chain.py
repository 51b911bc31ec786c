"""The chain from sample data to a served folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, SAMPLE, Chain, ask, served

from training import raw_graphs, recipe, tiny_models
from training.data import split
from training.model import load
from training.package import verify
from training.quantise import quantise_folder
from training.reader import Reader
from training.session import open_session

FIXTURES = ROOT / "tests" / "fixtures" / "models"


def test_the_folder_is_whole(finished: Chain) -> None:
    names = {path.name for path in finished.model.iterdir()}
    assert names == {
        "model.onnx", "tokenizer.json", "manifest.json", "calibration.json", "figures.json",
        "README.md",
    }  # fmt: skip
    verify(finished.model)
    manifest = json.loads((finished.model / "manifest.json").read_text())
    assert manifest["heads"]["emotions"]["labels"] == recipe.EMOTIONS
    assert manifest["heads"]["odds"] == {"output": "odds"}
    assert {entry["name"] for entry in manifest["data"]} == {
        "sentiment/dynasent", "sentiment/edited", "sentiment/overall", "sarcasm/plain",
        "sarcasm/written", "emotion/goemotions", "aspects/mams", "odds/aspects", "odds/plain",
    }  # fmt: skip
    tokenizer = json.loads((finished.model / "tokenizer.json").read_text())
    assert tokenizer["truncation"] is None
    assert tokenizer["padding"] is None


def test_a_changed_graph_is_noticed(finished: Chain, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(finished.model, copy)
    with (copy / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RuntimeError, match="is not the manifest's"):
        verify(copy)


def test_every_figure_is_there_and_in_range(finished: Chain) -> None:
    measured = json.loads((finished.model / "figures.json").read_text())
    for part in ("int8", "fp32"):
        assert set(measured[part]) == {
            "sentiment/dynasent", "sarcasm/written", "emotion/goemotions", "aspects/mams"
        }  # fmt: skip
        for figures in measured[part].values():
            assert figures.pop("texts") > 0
            assert all(0 <= value <= 1 for value in figures.values())


def test_int8_stays_close_to_pytorch(finished: Chain) -> None:
    model, tokenizer = load(finished.run / "model")
    reader = Reader(finished.model / "model.onnx", finished.model / "tokenizer.json")
    differences, spread = [], []
    for row in split(SAMPLE).dev:
        ids = torch.tensor([tokenizer.encode(row.text).ids[:128]])
        with torch.no_grad():
            expected = model(ids, torch.ones_like(ids))
        reading = reader.read(row.text)
        differences.append(np.abs(reading.sentiment - expected["sentiment"][0].numpy()).max())
        spread.append(expected["sentiment"][0].numpy())
    assert np.mean(differences) < 0.1 * np.std(spread)


def test_tiny_models_are_made_again_byte_by_byte(tmp_path: Path) -> None:
    tiny_models.make_all(tmp_path)
    for name in ("tiny-distilbert", "tiny-bert", "tiny-roberta"):
        for file in ("tokenizer.json", "config.json"):
            assert (tmp_path / name / file).read_text() == (FIXTURES / name / file).read_text()
        old = json.loads((FIXTURES / name / "expected.json").read_text())
        new = json.loads((tmp_path / name / "expected.json").read_text())
        for was, now in zip(old, new, strict=True):
            assert now["input_ids"] == was["input_ids"]
            np.testing.assert_allclose(now["logits"], was["logits"], atol=1e-4)


@pytest.mark.parametrize("name", ["tiny-distilbert", "tiny-bert", "tiny-roberta"])
def test_tiny_graphs_equal_pytorch(name: str) -> None:
    session = open_session(FIXTURES / name / "model.onnx")
    for case in json.loads((FIXTURES / name / "expected.json").read_text()):
        # Twice the same text: the batch is as free as the length.
        ids = np.array([case["input_ids"]] * 2)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids * 0}
        inputs = {entry.name: given[entry.name] for entry in session.get_inputs()}
        logits = session.run(["logits"], inputs)[0]
        np.testing.assert_allclose(logits, [case["logits"]] * 2, atol=1e-4)


def test_quantising_a_folder_from_the_hub_needs_no_torch(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(FIXTURES / "tiny-bert", folder)
    program = (
        "import sys; from pathlib import Path; from training.quantise import quantise_folder\n"
        f"quantise_folder(Path({str(folder)!r}))\n"
        "assert not {'torch', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
    quantised = tmp_path / "tiny-int8"
    assert (quantised / "config.json").read_bytes() == (folder / "config.json").read_bytes()
    assert (quantised / "tokenizer.json").exists()
    session = open_session(quantised / "model.onnx")
    kinds = {node.name for node in session.get_inputs()}
    assert kinds == {"input_ids", "attention_mask", "token_type_ids"}


def test_raw_graphs_have_every_head_that_the_model_has(finished: Chain, tmp_path: Path) -> None:
    # `make bench` reads them with the model's manifest: a head that they lack ended it.
    raw_graphs.write(finished.model, tmp_path)
    manifest = json.loads((finished.model / "manifest.json").read_text())
    wanted = {head["output"] for head in manifest["heads"].values()}
    assert "odds" in wanted
    ids = np.full((2, 5), 5)
    for name in ("raw-fp32.onnx", "raw-int8.onnx"):
        session = open_session(tmp_path / name)
        assert {output.name for output in session.get_outputs()} == wanted, name
        session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})


def test_quantising_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has neither model"):
        quantise_folder(tmp_path)


def test_the_gateway_serves_the_folder(finished: Chain, tmp_path: Path) -> None:
    with served(finished.model, tmp_path) as address:
        answered = ask(address, "I love this phone.")
    assert answered["label"] in {"negative", "neutral", "positive", "mixed"}
