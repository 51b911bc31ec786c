"""Owns beginning with a DistilBERT in Hugging Face's layout: config.json, tokenizer.json and
weights. It has one head, so that there is nothing to keep: plain fine-tuning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from training import recipe
from training.domain.keep import ABSENT, padded, with_epochs
from training.domain.rows import Labelled
from training.domain.start import Start
from training.encode import Example, plan
from training.fit import PlannedTrainer, fit
from training.package import sha256, write_tokenizer
from training.quantise import quantise
from training.routing import DEFAULTS
from training.session import open_session
from training.tiny_models import export_classifier

WEIGHTS = ["model.safetensors", "pytorch_model.bin"]
MOST_TOKENS = 512


class HubStart(Start):
    """A DistilBERT and its classifier, told the labels that the user's file knows."""

    def __init__(self, folder: Path, known: list[str]) -> None:
        config = _config(folder)
        theirs = [config.id2label[at].lower() for at in range(config.num_labels)]
        self.same_labels = set(known) <= set(theirs) <= set(recipe.SENTIMENTS)
        self.labels = theirs if self.same_labels else known
        config.id2label = dict(enumerate(self.labels))
        config.label2id = {label: at for at, label in enumerate(self.labels)}
        # A classifier for other labels begins afresh.
        self.model = DistilBertForSequenceClassification.from_pretrained(
            folder, config=config, ignore_mismatched_sizes=True, local_files_only=True
        )
        if not self.same_labels:
            self.model.classifier.reset_parameters()
        self.folder = folder
        self.tokenizer_file = folder / "tokenizer.json"
        self.heads = {"sentiment": {"output": "logits", "labels": self.labels}}
        self.max_tokens = min(MOST_TOKENS, config.max_position_embeddings)
        self.languages = ["en"]
        weights = next(folder / name for name in WEIGHTS if (folder / name).exists())
        self.base = {
            "name": folder.name,
            "licence": "as its source states it",
            "source": "a folder in Hugging Face's layout",
            "weights_sha256": sha256(weights),
        }
        self.data = []

    def before(self, texts: list[str], work: Path) -> tuple[np.ndarray, float] | None:
        if not self.same_labels:
            return None
        start = work / "start"
        start.mkdir()
        self.write(work / "start.onnx", start)
        return self.logits(start / "model.onnx", texts), 1.0

    def learn(self, rows: list[Labelled], hyper: recipe.DomainHyper, work: Path) -> None:
        tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(hyper.max_tokens, self.max_tokens))
        encodings = tokenizer.encode_batch([row.text for row in rows])
        examples = [
            Example("domain", "sentiment", encoding.ids, self.labels.index(row.label))
            for encoding, row in zip(encodings, rows, strict=True)
        ]
        hyper = with_epochs(hyper, len(rows))
        batches = plan(examples, hyper, {})
        fit(self.model, examples, batches, work / "checkpoints", hyper, kind=ClassifierTrainer)
        self.model.cpu().eval()

    def write(self, fp32: Path, finished: Path) -> None:
        export_classifier(self.model, ["input_ids", "attention_mask"], fp32)
        quantise(fp32, finished / "model.onnx", self.model.config.to_dict())
        write_tokenizer(self.tokenizer_file, finished)
        self.model.config.architectures = [type(self.model).__name__]
        (finished / "config.json").write_text(self.model.config.to_json_string())

    def logits(self, graph: Path, texts: list[str]) -> np.ndarray:
        session = open_session(graph)
        tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_tokens)
        logits = np.full((len(texts), len(recipe.SENTIMENTS)), ABSENT, dtype=np.float32)
        columns = [recipe.SENTIMENTS.index(label) for label in self.labels]
        for row, text in enumerate(texts):
            ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
            inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            logits[row, columns] = session.run(["logits"], inputs)[0][0]
        return logits

    def calibration(self, temperature: float) -> dict:
        """The thresholds are those of a model without estimators."""
        return {
            "temperatures": {"sentiment": temperature, "sarcasm": 1.0},
            "thresholds": DEFAULTS,
        }


class ClassifierTrainer(PlannedTrainer):
    """The classifier's cross entropy."""

    @staticmethod
    def stack(examples: list[Example]) -> dict[str, Any]:
        ids, mask = padded([example.ids for example in examples])
        labels = torch.tensor([example.target for example in examples])
        return {"input_ids": ids, "attention_mask": mask, "targets": labels}

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        outputs = model(inputs["input_ids"], inputs["attention_mask"])
        smoothing = self.hyper.label_smoothing
        loss = functional.cross_entropy(
            outputs.logits.float(), inputs["targets"], label_smoothing=smoothing
        )
        return (loss, outputs) if return_outputs else loss


def _config(folder: Path) -> DistilBertConfig:
    """The folder's configuration. Ends the program where the folder cannot begin a run."""
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    if kind != "distilbert":
        raise SystemExit(f"{folder}: config.json has the model_type {kind!r}, not 'distilbert'")
    if not any((folder / name).exists() for name in WEIGHTS):
        raise SystemExit(f"{folder}: has neither {' nor '.join(WEIGHTS)} to train further")
    if not (folder / "tokenizer.json").exists():
        raise SystemExit(f"{folder}: has no tokenizer.json")
    return DistilBertConfig.from_pretrained(folder, local_files_only=True)
