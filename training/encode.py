"""Owns turning rows into token ids and targets, and the order of batches.

All batches of all epochs are planned before the first step, from the seed alone:
a resumed run skips the ones that it has seen and meets the rest unchanged.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from training import recipe
from training.data import Row

# How many batches' worth of texts are sorted by length together: enough that
# padding is rare, few enough that batches differ between epochs.
SORTED_TOGETHER = 50


@dataclass(frozen=True)
class Example:
    """One text, ready to be stacked: its ids and the target of its one task."""

    set: str
    task: str
    ids: list[int]
    target: Any
    is_labelled: bool = True  # else its target says nothing before a teacher does
    edited: list[int] | None = None  # the ids of another form of the text, which says the same


def encode(rows: list[Row], tokenizer: Tokenizer, max_tokens: int) -> list[Example]:
    """Tokenises rows, cutting them after `max_tokens`."""
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    encodings = tokenizer.encode_batch([row.text for row in rows])
    others = tokenizer.encode_batch([row.fields.get("edited", "") for row in rows])
    tokenizer.no_truncation()
    return [
        Example(
            row.set,
            row.task,
            encoding.ids,
            _target(row, encoding),
            row.set not in recipe.TAUGHT,
            other.ids if "edited" in row.fields else None,
        )
        for row, encoding, other in zip(rows, encodings, others, strict=True)
    ]


def soften(examples: list[Example], answers: Mapping[int, np.ndarray]) -> list[Example]:
    """The examples that can train, those that a teacher answered with targets between its
    probabilities and the label. A token that the loss leaves out stays left out, and so does a
    text without a label to which there is no answer."""
    softened = []
    for index, example in enumerate(examples):
        answer = answers.get(index)
        if answer is not None:
            label = np.asarray(example.target, dtype=np.float32)
            weight = recipe.TEACHER_WEIGHT if example.is_labelled else 1
            target = label + weight * (answer - label)
            if example.task == "aspects":
                target *= label.sum(axis=-1, keepdims=True)
            softened.append(replace(example, target=target))
        elif example.is_labelled:
            softened.append(example)
    return softened


def plan(
    examples: list[Example], hyper: recipe.Hyper, shares: Mapping[str, float]
) -> list[list[int]]:
    """The batches of the whole run: indices into `examples`, one task a batch."""
    by_set: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        by_set.setdefault(example.set, []).append(index)
    dice = random.Random(hyper.seed)
    walks = {
        name: dice.sample(often, len(often))
        for name, indices in sorted(by_set.items())
        for often in [_rare_more_often(indices, examples)]
    }

    batches: list[list[int]] = []
    for epoch in range(math.ceil(hyper.epochs)):
        part = min(1.0, hyper.epochs - epoch)
        by_task: dict[tuple[str, bool], list[int]] = {}
        for name, walk in walks.items():
            count = round(len(walk) * shares.get(name, 1) * part)
            chosen = [walk[(epoch * count + step) % len(walk)] for step in range(count)]
            kind = examples[walk[0]].task, examples[walk[0]].edited is not None
            by_task.setdefault(kind, []).extend(chosen)
        of_epoch = [
            batch
            for indices in by_task.values()
            for batch in _by_length(indices, examples, hyper.batch, dice)
        ]
        dice.shuffle(of_epoch)
        batches += of_epoch
    return batches


def collate(examples: list[Example]) -> dict[str, Any]:
    """Stacks one task's examples, padded to the longest of them. Where they have edited forms, these
    follow all the texts, with the same targets."""
    pairs = examples[0].edited is not None
    if pairs:
        examples = examples + [replace(one, ids=one.edited) for one in examples]
    longest = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)  # 0 is [PAD]
    mask = torch.zeros(len(examples), longest, dtype=torch.long)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        mask[row, : len(example.ids)] = 1
    task = examples[0].task
    if task == "aspects":
        targets = torch.zeros(len(examples), longest, len(recipe.TAGS))
        for row, example in enumerate(examples):
            targets[row, : len(example.ids)] = torch.as_tensor(example.target)
    else:
        targets = torch.tensor(
            np.array([example.target for example in examples]), dtype=torch.float32
        )
    return {"input_ids": ids, "attention_mask": mask, "task": task, "targets": targets, "pairs": pairs}


def _rare_more_often(indices: list[int], examples: list[Example]) -> list[int]:
    """The same, texts with a rare emotion repeated."""
    if examples[indices[0]].task != "emotions":
        return indices
    carried = [sum(column) for column in zip(*(examples[i].target for i in indices), strict=True)]
    rare = {label for label, count in enumerate(carried) if count < recipe.RARE_EMOTION}
    return [
        index
        for index in indices
        for _ in range(
            recipe.RARE_EMOTION_READS if any(examples[index].target[at] for at in rare) else 1
        )
    ]


def _by_length(
    indices: list[int], examples: list[Example], batch: int, dice: random.Random
) -> list[list[int]]:
    dice.shuffle(indices)
    batches = []
    for start in range(0, len(indices), batch * SORTED_TOGETHER):
        together = sorted(
            indices[start : start + batch * SORTED_TOGETHER], key=lambda i: len(examples[i].ids)
        )
        batches += [together[at : at + batch] for at in range(0, len(together), batch)]
    return batches


def _target(row: Row, encoding: Any) -> Any:
    fields = row.fields
    if row.task == "sentiment":
        if "label5" in fields:
            return list(recipe.FIVE_LEVELS[int(fields["label5"])])
        if fields.get("label") == "mixed":
            return recipe.MIXED_TARGET
        return [float(fields.get("label") == label) for label in recipe.SENTIMENTS]
    if row.task == "odds":
        return float(fields.get("odds", False))
    if row.task == "sarcasm":
        return float(fields.get("label") in recipe.SARCASTIC)
    if row.task == "emotions":
        return [float(label in fields["labels"]) for label in recipe.EMOTIONS]
    return _tags(fields.get("aspects", []), encoding)


def _tags(aspects: list[dict[str, Any]], encoding: Any) -> np.ndarray:
    """A tag for each token, as a row of probabilities: [tokens, tags]. Special tokens and
    `conflict` terms are rows of zeros, which the loss leaves out: a conflict is neither of
    the three polarities, and calling it O would be wrong too."""
    ignored = len(recipe.TAGS)  # the row of zeros below
    tags = [ignored if special else 0 for special in encoding.special_tokens_mask]
    for aspect in aspects:
        if aspect.get("term") is None:
            continue
        first = True
        for index, (start, end) in enumerate(encoding.offsets):
            if tags[index] == ignored or start >= aspect["to"] or end <= aspect["from"]:
                continue
            if aspect["polarity"] == "conflict":
                tags[index] = ignored
            else:
                tags[index] = recipe.TAGS.index(f"{'B' if first else 'I'}-{aspect['polarity']}")
            first = False
    return np.eye(len(recipe.TAGS) + 1, len(recipe.TAGS), dtype=np.float32)[tags]
