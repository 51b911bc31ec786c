"""What the tests share: the sample data, and a run of the chain on a tiny encoder."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertModel

from training import __main__ as chain
from training import recipe
from training.model import Heads, base
from training.train import train_model

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "training"
START_SECONDS = 30

TINY = dataclasses.replace(recipe.Hyper(), epochs=2, batch=8, learning_rate=1e-3)


@pytest.fixture(scope="session", autouse=True)
def only_the_sample() -> Iterator[None]:
    """The sentences written for the model stay out, as if there were none, and so do the ones made
    from word lists: a tiny run reads the sample alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "WRITTEN", ROOT / "no such folder")
        patch.setattr(recipe, "TEMPLATES", 0)
        yield


@dataclasses.dataclass(frozen=True)
class Chain:
    """The folders of a finished chain."""

    run: Path
    model: Path


def tiny_network(tokenizer: Tokenizer) -> Heads:
    """All heads on an encoder of width 32: every step of the chain, in no time."""
    torch.manual_seed(7)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), dim=32, hidden_dim=64, n_layers=2, n_heads=2
    )
    return Heads(DistilBertModel(config))


@pytest.fixture(scope="session")
def converted() -> tuple[Heads, Tokenizer]:
    """The real base, converted once for all tests."""
    return base()


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, converted: tuple[Heads, Tokenizer]
) -> Chain:
    """The sample data through training, export, quantisation, calibration and figures."""
    folder = tmp_path_factory.mktemp("chain")
    made = Chain(folder / "run", folder / "models" / "tiny")
    tokenizer = converted[1]
    train_model(tiny_network(tokenizer), tokenizer, SAMPLE, made.run, TINY)
    chain.finish(SAMPLE, made.run, made.model)
    return made


@contextmanager
def served(model: Path, work: Path) -> Iterator[str]:
    """The built gateway with a model folder, at the address that is yielded."""
    program = Path(os.environ.get("UNDERTONE_BIN", ROOT / "target" / "release" / "undertone"))
    assert program.exists(), f"{program} is missing: cargo build --release, or set UNDERTONE_BIN"
    package = importlib.util.find_spec("onnxruntime")
    library = next(Path(package.origin).parent.glob("capi/libonnxruntime.so.*"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
        "ORT_DYLIB_PATH": str(library),
        "UNDERTONE_CLASSIFIER__MODEL": str(model),
        "UNDERTONE_STORE__URL": f"sqlite://{work}/l.db",
    }
    with (work / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "serve", "--listen", address],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(server, address, work / "log")
        yield address
    finally:
        server.terminate()
        server.wait(10)


def ask(address: str, text: str, **more: object) -> dict:
    """What the gateway says of a text."""
    request = urllib.request.Request(
        f"http://{address}/v1/sentiment",
        json.dumps({"text": text, **more}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200
        return json.load(response)


def _wait_until_ready(server: subprocess.Popen, address: str, log: Path) -> None:
    for _ in range(START_SECONDS * 10):
        assert server.poll() is None, f"the gateway ended: {log.read_text()}"
        try:
            with urllib.request.urlopen(f"http://{address}/readyz", timeout=2) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.1)
    pytest.fail(f"not ready after {START_SECONDS} s: {log.read_text()}")
