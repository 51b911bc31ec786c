"""Owns fitting the network to new sentiment labels without the rest of it forgetting.

Learning without forgetting (Li and Hoiem 2016): before the first step the network answers every
text, and its own answers are what sarcasm, emotions and aspects are then held to, on the user's
texts and on others that come with this project. Those others keep their sentiment too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from training import recipe
from training.data import read, sets
from training.domain.rows import Labelled, labels_of
from training.encode import Example, plan
from training.fit import EMOTION_SCALE, PlannedTrainer, fit
from training.model import Heads

EXAMPLES = Path(__file__).parents[2] / "examples" / "training"
ANSWER_BATCH = 64
ABSENT = -10_000.0  # the logit of a label that is not known: its share is exactly 0


@dataclasses.dataclass(frozen=True)
class Answers:
    """What one text's heads shall say, as probabilities."""

    sentiment: np.ndarray  # [3]
    counted: np.ndarray  # [3]: false for a label that the file does not know
    sarcasm: float
    emotions: np.ndarray  # [28]
    aspects: np.ndarray  # [tokens, 7]; [CLS] and [SEP] too: they are read like any other
    odds: float | None = None  # of a network that has a head for it


def learn(
    model: Heads,
    tokenizer: Tokenizer,
    rows: list[Labelled],
    hyper: recipe.DomainHyper,
    work: Path,
) -> None:
    """Trains the model on the rows and leaves it with its averaged weights, in evaluation mode."""
    others = other_texts()
    texts = [row.text for row in rows] + others
    tokenizer.enable_truncation(hyper.max_tokens)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    tokenizer.no_truncation()
    answers = answer(model, ids)
    examples = [
        Example("domain", "all", ids[at], labelled(answers[at], row, labels_of(rows), hyper))
        for at, row in enumerate(rows)
    ]
    examples += [
        Example("kept", "all", ids[at], answers[at]) for at in range(len(rows), len(texts))
    ]
    hyper = with_epochs(hyper, len(rows))
    share = min(1.0, hyper.kept_share * len(rows) / max(1, len(others)))
    # The table of words is half of all weights; a few thousand texts move few of its rows, and
    # those away from what the other heads know.
    lowest = model.encoder.transformer.layer[: hyper.frozen_layers]
    for part in (model.encoder.embeddings, *lowest):
        part.requires_grad_(False)
    # With dropout the network would miss its own answers from the first step on, and move to
    # make up for that. The head that learns keeps it.
    for name, part in model.named_modules():
        if isinstance(part, nn.Dropout) and not name.startswith("sentiment."):
            part.p = 0.0
    batches = plan(examples, hyper, {"kept": share})
    fit(model, examples, batches, work / "checkpoints", hyper, kind=KeepingTrainer)
    model.cpu().eval()


def with_epochs(hyper: recipe.DomainHyper, texts: int) -> recipe.DomainHyper:
    """The numbers with as many epochs as so many texts need; those that were set stay."""
    if hyper.epochs:
        return hyper
    epochs = min(hyper.most_epochs, max(hyper.fewest_epochs, hyper.readings / texts))
    return dataclasses.replace(hyper, epochs=round(epochs, 2))


def other_texts() -> list[str]:
    """What comes with this project to train on: the written sentences and the sample's train
    parts. Their labels are not looked at."""
    return sorted({row.text for name in sets(EXAMPLES) for row in read(EXAMPLES, name, "train")})


def answer(model: Heads, ids: list[list[int]]) -> list[Answers]:
    """What the network says of each text now."""
    model.eval()
    answers: dict[int, Answers] = {}
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    for start in range(0, len(order), ANSWER_BATCH):
        batch = order[start : start + ANSWER_BATCH]
        stacked, mask = padded([ids[at] for at in batch])
        with torch.no_grad():
            logits = model(stacked, mask)
        sentiment = functional.softmax(logits["sentiment"], dim=-1).numpy()
        sarcasm = torch.sigmoid(logits["sarcasm"]).squeeze(-1).tolist()
        emotions = torch.sigmoid(logits["emotions"]).numpy()
        aspects = functional.softmax(logits["aspects"], dim=-1).numpy()
        odds = [None] * len(batch)
        if "odds" in logits:
            odds = torch.sigmoid(logits["odds"]).squeeze(-1).tolist()
        for row, at in enumerate(batch):
            every = np.ones(len(recipe.SENTIMENTS), dtype=bool)
            tags = aspects[row, : len(ids[at])]
            answers[at] = Answers(
                sentiment[row], every, sarcasm[row], emotions[row], tags, odds[row]
            )
    return [answers[at] for at in range(len(ids))]


def labelled(
    kept: Answers, row: Labelled, known: list[str], hyper: recipe.DomainHyper
) -> Answers:
    """The answers with the person's label, smoothed over the labels that the file knows. Of
    the others the file says nothing, so that they are left out of that text's loss."""
    counted = np.array([label in known for label in recipe.SENTIMENTS])
    hard = np.array([float(label == row.label) for label in recipe.SENTIMENTS])
    smooth = hyper.label_smoothing * counted / counted.sum()
    return dataclasses.replace(
        kept, sentiment=(1 - hyper.label_smoothing) * hard + smooth, counted=counted
    )


def stack(examples: list[Example]) -> dict[str, Any]:
    """A batch: ids, mask and every head's targets, padded to the longest text."""
    ids, mask = padded([example.ids for example in examples])
    answers: list[Answers] = [example.target for example in examples]
    aspects = torch.zeros(*ids.shape, len(recipe.TAGS))
    for row, one in enumerate(answers):
        aspects[row, : len(one.aspects)] = torch.as_tensor(one.aspects)

    def floats(values: Callable[[Answers], Any]) -> torch.Tensor:
        return torch.tensor(np.array([values(one) for one in answers]), dtype=torch.float32)

    targets = {
        "sentiment": floats(lambda one: one.sentiment),
        "counted": torch.tensor(np.array([one.counted for one in answers])),
        "sarcasm": floats(lambda one: one.sarcasm),
        "emotions": floats(lambda one: one.emotions),
        "aspects": aspects,
    }
    if answers[0].odds is not None:
        targets["odds"] = floats(lambda one: one.odds)
    return {"input_ids": ids, "attention_mask": mask, "targets": targets, "task": "all"}


class KeepingTrainer(PlannedTrainer):
    """All heads on every batch: the label's, and the answers to be kept."""

    stack = staticmethod(stack)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        outputs = model(inputs["input_ids"], inputs["attention_mask"])
        loss = loss_of(outputs, inputs["targets"], self.hyper.keep)
        return (loss, outputs) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The sentiment head's weights apart: they move faster."""
        rate, decaying = self.args.learning_rate, self.get_decay_parameter_names(self.model)
        groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
        for name, weights in self.model.named_parameters():
            if weights.requires_grad:
                key = (name.startswith("sentiment."), name in decaying)
                groups.setdefault(key, []).append(weights)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": weights,
                    "lr": rate * (self.hyper.head_rate if head else 1),
                    "weight_decay": self.args.weight_decay if decays else 0.0,
                }
                for (head, decays), weights in groups.items()
            ],
            fused=True,
        )
        return self.optimizer


def loss_of(
    outputs: dict[str, torch.Tensor], targets: dict[str, torch.Tensor], keep: float
) -> torch.Tensor:
    """The sentiment's cross entropy, and `keep` times that of what the others shall keep."""
    logits = {name: tensor.float() for name, tensor in outputs.items()}
    sentiment = functional.cross_entropy(
        logits["sentiment"].masked_fill(~targets["counted"], ABSENT), targets["sentiment"]
    )
    binary = functional.binary_cross_entropy_with_logits
    tags = targets["aspects"]
    kept = (
        binary(logits["sarcasm"].squeeze(-1), targets["sarcasm"])
        + EMOTION_SCALE * binary(logits["emotions"], targets["emotions"])
        - (tags * functional.log_softmax(logits["aspects"], dim=-1)).sum() / tags.sum()
    )
    if "odds" in targets:
        kept = kept + binary(logits["odds"].squeeze(-1), targets["odds"])
    return sentiment + keep * kept


def padded(ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, [texts, longest]; 0 is [PAD]."""
    longest = max(len(one) for one in ids)
    stacked = torch.zeros(len(ids), longest, dtype=torch.long)
    mask = torch.zeros_like(stacked)
    for row, one in enumerate(ids):
        stacked[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    return stacked, mask
