"""The gateway's throughput beside other ways to read the same texts with the same weights.

    training/.venv/bin/python benches/peers.py

`make bench` runs it where training/.venv is there (`make test-training` makes it). Peers take turns
with the gateway, so that a machine that slows down slows all of them. Each gets all cores.
Peers with environments or servers of their own are named by OPTIMUM=PYTHON, TEI=HOST:PORT and
INFINITY=HOST:PORT; one that is not is a line that says where to read how to have it.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from transformers import (  # noqa: E402
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    pipeline,
)
from transformers.modeling_outputs import SequenceClassifierOutput  # noqa: E402

from training.restore import restore  # noqa: E402

TEXTS = 1500
ROUNDS = 3
# Texts that are padded to the longest of them. The usual number, and the one that suits most peers
# best: of texts of mixed lengths, 64 are padded to three times what they hold.
BATCHES = [64, 8]
CALLERS = 4
# Where benches/peer_folder.py put the weights for those that load a folder.
PEER_FOLDER = ROOT / "target" / "peers"
# As benches/gateway/texts.rs mixes them.
LENGTHS = [1, 1, 2, 1, 3, 2, 1, 4, 2, 6]
SENTENCES = [
    "tests/sentences/aspects/orders/dev.jsonl",
    "training/sentences/aspects/orders/train.jsonl",
]


def texts(count: int) -> list[str]:
    """Texts of mixed lengths, made of the sentences in this repository."""
    lines = [line for file in SENTENCES for line in (ROOT / file).read_text().splitlines()]
    sentences = cycle([json.loads(line)["text"] for line in lines])
    lengths = islice(cycle(LENGTHS), count)
    return [" ".join(islice(sentences, length)) for length in lengths]


class SentimentConfig(PretrainedConfig):
    model_type = "undertone-bench"


class Sentiment(PreTrainedModel):
    """The bundled model's sentiment head as a sequence classifier: less than the gateway computes."""

    config_class = SentimentConfig

    def __init__(self, config: SentimentConfig, network: torch.nn.Module) -> None:
        super().__init__(config)
        self.network = network

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: object
    ) -> SequenceClassifierOutput:
        logits = self.network(input_ids, attention_mask, "sentiment")["sentiment"]
        return SequenceClassifierOutput(logits=logits)


def hugging_face(kind: torch.dtype) -> Callable[[int], Callable[[list[str]], None]]:
    """Hugging Face's own pipeline over the restored weights, by the size of its batches."""
    network, tokenizer = restore(ROOT / "models" / "undertone-mini")
    labels = {0: "negative", 1: "neutral", 2: "positive"}
    config = SentimentConfig(id2label=labels, label2id={name: at for at, name in labels.items()})
    classify = pipeline(
        "text-classification",
        model=Sentiment(config, network).to(kind).eval(),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]",
            cls_token="[CLS]", sep_token="[SEP]", model_max_length=128,
            model_input_names=["input_ids", "attention_mask"],
        ),
        device="cpu",
    )  # fmt: skip
    return lambda size: lambda sample: classify(sample, batch_size=size, truncation=True) and None


@contextmanager
def gateway() -> Iterator[Callable[[list[str]], None]]:
    """The built program, given all texts as lines of one request."""
    program = Path(os.environ.get("UNDERTONE_BIN", ROOT / "target" / "release" / "undertone"))
    if not program.exists():
        raise SystemExit(f"{program} is missing: make build, or set UNDERTONE_BIN")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "UNDERTONE_STORE__URL": f"sqlite://{folder}/ledger.db"}
        server = subprocess.Popen(
            [program, "serve", "--listen", f"127.0.0.1:{port}"],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def read(sample: list[str]) -> None:
            body = "".join(json.dumps({"text": text, "route": "local"}) + "\n" for text in sample)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            kind = {"Content-Type": "application/x-ndjson"}
            connection.request("POST", "/v1/batch?task=sentiment", body.encode(), kind)
            answers = connection.getresponse().read().count(b"\n")
            if answers != len(sample):
                raise SystemExit(f"{answers} answers to {len(sample)} texts")

        try:
            for _ in range(500):
                try:
                    read(sample=["ready?"])
                    break
                except OSError:
                    time.sleep(0.02)
            yield read
        finally:
            server.terminate()
            server.wait()


@contextmanager
def optimum(python: str, batch: int) -> Iterator[Callable[[list[str]], None]]:
    """optimum's ONNX pipeline, run by another interpreter."""
    reader = subprocess.Popen(
        [python, ROOT / "benches" / "peer_optimum.py", PEER_FOLDER, str(batch)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def heard(expected: str) -> None:
        if reader.stdout.readline().strip() != expected:
            raise SystemExit("benches/peer_optimum.py broke off: run it by itself to see why")

    def read(sample: list[str]) -> None:
        reader.stdin.write(json.dumps(sample) + "\n")
        reader.stdin.flush()
        heard("read")

    try:
        heard("ready")
        yield read
    finally:
        reader.kill()
        reader.wait()


def served(address: str, path: str, body: Callable[[list[str]], dict]) -> Callable[[list[str]], None]:
    """A server of classifiers, asked by four callers at once, a batch a request."""

    def ask(batch: list[str]) -> None:
        connection = http.client.HTTPConnection(address, timeout=120)
        kind = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body(batch)), kind)
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"{address}{path} answers {answer.status}: {answer.read()[:200]!r}")
        answer.read()

    def read(sample: list[str]) -> None:
        size = max(BATCHES)
        batches = [sample[start : start + size] for start in range(0, len(sample), size)]
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(ask, batches))

    return read


def others(stack: ExitStack) -> dict[str, Callable[[list[str]], None]]:
    """The peers that the environment names."""
    named = {name: os.environ.get(name, "") for name in ("OPTIMUM", "TEI", "INFINITY")}
    for name, value in named.items():
        if not value:
            print(f"{name}: not measured; benches/NOTES.md says how to have it")
    found = {}
    if named["OPTIMUM"]:
        for size in BATCHES:
            reader = optimum(named["OPTIMUM"], size)
            found[f"optimum's ONNX pipeline, batches of {size}"] = stack.enter_context(reader)
    if named["TEI"]:
        inputs = lambda batch: {"inputs": [[text] for text in batch], "truncate": True}  # noqa: E731
        found["text-embeddings-inference"] = served(named["TEI"], "/predict", inputs)
    if named["INFINITY"]:
        inputs = lambda batch: {"model": "peer", "input": batch}  # noqa: E731
        found["infinity"] = served(named["INFINITY"], "/classify", inputs)
    return found


def main() -> None:
    # A class of ours is not on the pipeline's list of those that it knows.
    logging.getLogger("transformers").setLevel(logging.CRITICAL)
    sample = texts(TEXTS)
    with ExitStack() as stack:
        readers = {"undertone, NDJSON": stack.enter_context(gateway())}
        for kind, name in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
            pipe = hugging_face(kind)
            for size in BATCHES:
                readers[f"Hugging Face pipeline, {name}, batches of {size}"] = pipe(size)
        readers |= others(stack)
        best = dict.fromkeys(readers, 0.0)
        for read in readers.values():
            read(sample[: max(BATCHES)])
        for _ in range(ROUNDS):
            for name, read in readers.items():
                started = time.perf_counter()
                read(sample)
                best[name] = max(best[name], len(sample) / (time.perf_counter() - started))
    words = sum(len(text.split()) for text in sample) / len(sample)
    print(f"{len(sample)} texts of {words:.1f} words, {os.cpu_count()} cores; best of {ROUNDS}")
    ours = next(iter(best.values()))
    for name, rate in best.items():
        print(f"{name:>48}  {rate:>7.0f} texts a second  undertone is {ours / rate:.1f} times as fast")


if __name__ == "__main__":
    main()
