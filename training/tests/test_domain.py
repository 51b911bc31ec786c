"""Your own domain: what the file may hold, what is held out, what is kept, what is served."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Chain, ask, served
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from training import recipe
from training.domain import __main__ as command
from training.domain import chain, rows
from training.domain.keep import ABSENT, answer, labelled, loss_of, other_texts, stack, with_epochs
from training.domain.measure import Measured, measure
from training.domain.package import Origin
from training.encode import Example
from training.model import load
from training.package import verify
from training.restore import restore

CSV = ROOT / "examples" / "hosting.csv"
FIXTURES = ROOT / "tests" / "fixtures" / "models"
TINY = dataclasses.replace(
    recipe.DomainHyper(), epochs=2, batch=8, learning_rate=1e-3, head_rate=1.0
)


def file_of(folder: Path, texts: list[tuple[str, str]], name: str = "own.csv") -> Path:
    path = folder / name
    path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in texts))
    return path


def enough(first: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Some texts and as many more as a file must have."""
    labels = ["negative", "positive"]
    return first + [(f"text number {at}", labels[at % 2]) for at in range(rows.FEWEST_TEXTS)]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (enough([("Fine.", "good")]), r"own.csv:2: `label` is 'good', not one of negative, neutr"),
        (enough([("Fine.", "positive"), (" ", "neutral")]), r"own.csv:3: `text` is blank"),
        ([("Fine.", "positive")] * 99, r"1 texts, and 50 are the fewest"),
        ([(f"text {at}", "neutral") for at in range(60)], r"every text is neutral"),
        (enough([("Hm.", "neutral")]), r"1 texts are neutral, and 5 are the fewest"),
    ],
)
def test_a_file_that_cannot_train_says_why(
    texts: list[tuple[str, str]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match=message):
        rows.read(file_of(tmp_path, texts))


def test_a_file_without_its_columns_names_them(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("body,label\nFine.,positive\n")
    with pytest.raises(SystemExit, match="own.csv:1: no column `text`; it has body, label"):
        rows.read(path)
    with pytest.raises(SystemExit, match="no such file"):
        rows.read(tmp_path / "missing.csv")
    path.write_bytes(b"text,label\nna\xefve,negative\n")
    with pytest.raises(SystemExit, match="own.csv: byte 13 is not UTF-8"):
        rows.read(path)


def test_json_lines_are_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    lines = [json.dumps({"text": text, "label": label}) for text, label in enough([])]
    path.write_text("\n".join(lines))
    assert len(rows.read(path)) == rows.FEWEST_TEXTS
    path.write_text("\n".join([*lines, "{"]))
    with pytest.raises(SystemExit, match=r"own.jsonl:51: not JSON"):
        rows.read(path)


def test_a_repeated_text_is_one_and_one_with_two_labels_none(tmp_path: Path) -> None:
    texts = [("It works.", "positive"), ("IT  works.", "Positive"), ("Hm.", "neutral")]
    texts += [("hm.", "negative")]
    kept = [row.text for row in rows.read(file_of(tmp_path, enough(texts)))]
    assert kept.count("It works.") == 1
    assert not {"IT  works.", "Hm.", "hm."} & set(kept)


def test_the_held_out_part_depends_on_the_seed_and_has_every_label() -> None:
    labelled_rows = rows.read(CSV)
    parts = rows.split(labelled_rows, 0.2, seed=1)
    assert len(parts.held_out) == 18
    assert [sum(row.label == label for row in parts.held_out) for label in recipe.SENTIMENTS] == [
        6, 6, 6
    ]  # fmt: skip
    assert not {row.text for row in parts.train} & {row.text for row in parts.held_out}
    assert rows.split(labelled_rows[::-1], 0.2, seed=1) == parts, "the file's order is nothing"
    assert rows.split(labelled_rows, 0.2, seed=2).held_out != parts.held_out
    assert len(rows.some(parts.train, 10, seed=1)) == 10
    with pytest.raises(SystemExit, match="--examples is 999: there are 72 texts"):
        rows.some(parts.train, 999, seed=1)
    with pytest.raises(SystemExit, match="--holdout is 1.5"):
        rows.split(labelled_rows, 1.5, seed=1)


def test_few_texts_are_read_more_often_than_many() -> None:
    hyper = recipe.DomainHyper()
    epochs = [with_epochs(hyper, texts).epochs for texts in (10, 1000, 10**6)]
    assert epochs[0] == hyper.most_epochs and epochs[2] == hyper.fewest_epochs
    assert epochs == sorted(epochs, reverse=True)
    assert with_epochs(dataclasses.replace(hyper, epochs=1.5), 10).epochs == 1.5


def test_what_measures_the_heads_is_no_text_to_keep_them_by() -> None:
    measuring = {
        json.loads(line)["text"]
        for path in (ROOT / "examples" / "training").glob("*/*/dev.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    assert measuring and not measuring & set(other_texts())


def test_a_label_that_the_file_lacks_is_left_alone(finished: Chain) -> None:
    model, tokenizer = load(finished.run / "model")
    row = rows.Labelled("The server is up again.", "positive")
    ids = tokenizer.encode(row.text).ids
    kept = answer(model, [ids])[0]
    target = labelled(kept, row, ["negative", "positive"], TINY)
    assert target.sentiment[1] == 0 and target.sentiment.sum() == pytest.approx(1)
    batch = stack([Example("domain", "all", ids, target)])
    outputs = model(batch["input_ids"], batch["attention_mask"])
    loss_of(outputs, batch["targets"], keep=0).backward()
    gradient = model.sentiment[4].bias.grad
    assert gradient[1] == 0 and gradient[0] > 0 > gradient[2]


def test_nothing_is_lost_while_the_answers_stay_as_they_were(finished: Chain) -> None:
    model, tokenizer = load(finished.run / "model")
    ids = [tokenizer.encode(text).ids for text in ("The server is down.", "Which port is it?")]
    batch = stack(
        [Example("kept", "all", one, kept) for one, kept in zip(ids, answer(model, ids), strict=True)]
    )
    outputs = model(batch["input_ids"], batch["attention_mask"])
    loss_of(outputs, batch["targets"], keep=1).backward()
    steepest = max(
        float(weights.grad.abs().max())
        for weights in model.parameters()
        if weights.grad is not None
    )
    assert steepest < 1e-5


def test_int8_may_lose_a_point_and_no_more() -> None:
    truth = [rows.Labelled(f"text {at}", recipe.SENTIMENTS[at % 3]) for at in range(300)]
    right = np.eye(3)[[at % 3 for at in range(300)]] * 4
    worse = right.copy()
    worse[:3] = 4 - worse[:3]
    measured = measure(truth, None, right, worse)
    assert measured.int8_loss == pytest.approx(0.01)
    chain.refuse_int8_loss(measured, any_loss=False)
    worse[:4] = 4 - right[:4]
    measured = measure(truth, None, right, worse)
    with pytest.raises(SystemExit, match="INT8 reads 1.3 points less .* nothing was written"):
        chain.refuse_int8_loss(measured, any_loss=False)
    chain.refuse_int8_loss(measured, any_loss=True)
    # Of few texts, one may be lost: that much is chance.
    chain.refuse_int8_loss(measure(truth[3:21], None, right[3:21], worse[3:21]), any_loss=False)


@pytest.fixture
def run_domain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The command with some arguments; what it printed."""

    def run(*arguments: str | Path) -> str:
        words = ["domain", "--data", str(CSV), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        command.main()
        return capsys.readouterr().out

    return run


def test_from_a_csv_to_a_served_folder(
    finished: Chain, tmp_path: Path, run_domain: Callable[..., str]
) -> None:
    out = tmp_path / "hosting"
    arguments = ["--start", finished.model, "--out", out, "--allow-int8-loss"]
    printed = run_domain(*arguments, "--set", "epochs=1", "--set", "batch=8")
    assert "| before, INT8 |" in printed and "| after, INT8 |" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"hosting"}
    verify(out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["base"]["trained_from"]["name"] == "tiny"
    assert manifest["data"][-1] == {
        "name": "domain/hosting", "licence": "its owner's", "texts": 72,
        "sha256": rows.sha256(CSV),
    }  # fmt: skip
    card = (out / "README.md").read_text()
    assert rows.sha256(CSV) in card and "Seed 1, 1.0 epochs" in card
    before = json.loads((finished.model / "calibration.json").read_text())
    after = json.loads((out / "calibration.json").read_text())
    for kept in ("emotion_thresholds", "mixed", "thresholds"):
        assert after[kept] == before[kept]
    with served(out, tmp_path) as address:
        assert ask(address, "The site is down again.")["model"] == "hosting"
    restore(out)  # a fitted model can be fitted further

    with pytest.raises(SystemExit, match="hosting: is there already"):
        run_domain(*arguments)


def test_a_loss_to_int8_leaves_no_folder(
    finished: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Measured, "int8_loss", 0.1)
    parts = rows.split(rows.read(CSV), 0.2, seed=1)
    hyper, origin = dataclasses.replace(TINY, epochs=0.2), Origin("own.csv", "", "")
    with pytest.raises(SystemExit, match="INT8 reads 10.0 points less"):
        chain.fit_folder(finished.model, parts, hyper, origin, tmp_path / "out", False)
    assert not list(tmp_path.iterdir())


def tiny_hub(folder: Path, names: list[str]) -> Path:
    """A DistilBERT with random weights, laid out as the hub lays it out."""
    fixture = FIXTURES / "tiny-distilbert"
    torch.manual_seed(1)
    config = DistilBertConfig.from_pretrained(fixture)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: at for at, name in enumerate(names)}
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    shutil.copyfile(fixture / "tokenizer.json", folder / "tokenizer.json")
    return folder


def test_from_a_distilbert_of_hugging_face_to_a_served_folder(
    tmp_path: Path, run_domain: Callable[..., str]
) -> None:
    start = tiny_hub(tmp_path / "start", ["NEGATIVE", "POSITIVE"])
    out = tmp_path / "fitted"
    printed = run_domain("--start", start, "--out", out, "--allow-int8-loss")
    # It told two labels apart, the file has three: there is no before.
    assert "| before, INT8 | – | – | – |" in printed
    verify(out)
    config = json.loads((out / "config.json").read_text())
    assert config["id2label"] == {"0": "negative", "1": "neutral", "2": "positive"}
    with served(out, tmp_path) as address:
        answered = ask(address, "The site is down again.")
    assert answered["model"] == "fitted" and answered["sarcasm"]["score"] is not None


def test_a_classifier_with_the_same_labels_goes_on_from_them(tmp_path: Path) -> None:
    start = tiny_hub(tmp_path / "start", ["POSITIVE", "NEUTRAL", "NEGATIVE"])
    parts = rows.split(rows.read(CSV), 0.2, seed=1)
    begun = chain.open_start(start, parts)
    work = tmp_path / "work"
    work.mkdir()
    begun.learn(parts.train, dataclasses.replace(TINY, epochs=0.1), work)
    measured_before = begun.before([row.text for row in parts.held_out[:3]], work)
    assert begun.labels == ["positive", "neutral", "negative"]
    assert measured_before is not None and (measured_before[0] > ABSENT).all()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds neither manifest.json"),
        ({"config.json": '{"model_type": "bert"}'}, "the model_type 'bert', not 'distilbert'"),
        ({"config.json": '{"model_type": "distilbert"}'}, "neither model.safetensors nor pytorch"),
    ],
)
def test_a_folder_that_cannot_begin_says_why(
    files: dict[str, str], message: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit, match=message):
        chain.open_start(tmp_path, rows.split(rows.read(CSV), 0.2, seed=1))
