"""What the tests share: the sample data, and a run of the chain on a tiny encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertModel

from training import __main__ as chain
from training import recipe
from training.model import FourHeads, base
from training.train import train_model

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "training"

TINY = dataclasses.replace(recipe.Hyper(), epochs=2, batch=8, learning_rate=1e-3)


@pytest.fixture(scope="session", autouse=True)
def only_the_sample() -> Iterator[None]:
    """The sentences written for the model stay out, as if there were none: a tiny run reads
    the sample alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "WRITTEN", ROOT / "no such folder")
        yield


@dataclasses.dataclass(frozen=True)
class Chain:
    """The folders of a finished chain."""

    run: Path
    model: Path


def tiny_network(tokenizer: Tokenizer) -> FourHeads:
    """Four heads on an encoder of width 32: every step of the chain, in no time."""
    torch.manual_seed(7)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), dim=32, hidden_dim=64, n_layers=2, n_heads=4
    )
    return FourHeads(DistilBertModel(config))


@pytest.fixture(scope="session")
def converted() -> tuple[FourHeads, Tokenizer]:
    """The real base, converted once for all tests."""
    return base()


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, converted: tuple[FourHeads, Tokenizer]
) -> Chain:
    """The sample data through training, export, quantisation, calibration and figures."""
    folder = tmp_path_factory.mktemp("chain")
    made = Chain(folder / "run", folder / "models" / "tiny")
    tokenizer = converted[1]
    train_model(tiny_network(tokenizer), tokenizer, SAMPLE, made.run, TINY)
    chain.finish(SAMPLE, made.run, made.model)
    return made
