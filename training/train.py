"""Owns the training run: losses, averaging of the weights, checkpoints, resuming.

    python -m training.train --data DIR --run RUN [--start MODEL] [--resume] [--set epochs=1]

RUN/model receives the averaged weights, RUN/aside.jsonl the texts that were set aside.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from training import recipe
from training.data import Row, split
from training.encode import IGNORED, Example, collate, encode, plan
from training.model import FourHeads, base, save
from training.restore import restore

SET_HELP = "one of the recipe's numbers, as in epochs=1; may be given several times"
EMA_EVERY = 4  # steps between two averagings: each reads and writes all weights
EMOTION_SCALE = 10  # a mean over 28 mostly absent labels is small beside the other losses


class FourTasksTrainer(Trainer):
    """Hugging Face's Trainer, fed with the planned batches of one task each."""

    def __init__(
        self, *args: Any, batches: list[list[int]], hyper: recipe.Hyper, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.batches = batches
        self.hyper = hyper

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=collate)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        targets, task = inputs["targets"], inputs["task"]
        outputs = model(inputs["input_ids"], inputs["attention_mask"], task)
        loss = task_loss(task, outputs[task].float(), targets, self.hyper.label_smoothing)
        return (loss, outputs) if return_outputs else loss

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(model, inputs, *args, **kwargs)
        every = self.hyper.adversarial_every
        turn = every and self.state.global_step % every == 0
        if turn and inputs["task"] in recipe.ADVERSARIAL_TASKS:
            words = self.model.encoder.embeddings.word_embeddings.weight
            with pushed(words, inputs["input_ids"].unique(), self.hyper.adversarial_length):
                super().training_step(model, inputs, *args, **kwargs)
        return loss


@contextmanager
def pushed(words: torch.nn.Parameter, ids: torch.Tensor, length: float) -> Iterator[None]:
    """The embeddings of some words moved along their gradient, `length` in all, meanwhile."""
    ids = ids.to(words.device)
    gradient = words.grad[ids]
    size = gradient.norm()
    before = words.data[ids]
    if size > 0:  # also false for NaN
        words.data[ids] = before + gradient * (length / size)
    yield
    words.data[ids] = before


def task_loss(
    task: str, logits: torch.Tensor, targets: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """The loss of one task's batch. Soft sentiment targets are smoothed like hard ones."""
    if task == "sentiment":
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    if task == "sarcasm":
        return functional.binary_cross_entropy_with_logits(logits.squeeze(-1), targets)
    if task == "emotions":
        return EMOTION_SCALE * functional.binary_cross_entropy_with_logits(logits, targets)
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


class Averaging(TrainerCallback):
    """Keeps an exponential moving average of the weights, in every checkpoint too."""

    def __init__(self, model: FourHeads, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.average: dict[str, torch.Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        saved = Path(args.output_dir) / f"checkpoint-{state.global_step}" / "average.safetensors"
        source = load_file(str(saved)) if state.global_step else self.model.state_dict()
        device = next(self.model.parameters()).device
        self.average = {name: tensor.detach().clone().to(device) for name, tensor in source.items()}

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % EMA_EVERY:
            return
        # Early on the average follows closely: it must not remember the untrained heads.
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step)) ** EMA_EVERY
        weights = self.model.state_dict()
        names = list(self.average)
        torch._foreach_lerp_(
            [self.average[name] for name in names], [weights[name] for name in names], 1 - decay
        )

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        save_file(self.average, str(folder / "average.safetensors"))


def train(
    data: Path,
    run: Path,
    hyper: recipe.Hyper,
    start: Path | None = None,
    resume: bool = False,
    max_steps: int = 0,
) -> None:
    """Runs, or goes on with, one training run, from the base or from the model folder
    `start`. `max_steps` cuts it short, for tests."""
    torch.manual_seed(hyper.seed)
    model, tokenizer = restore(start) if start else base()
    run.mkdir(parents=True, exist_ok=True)
    (run / "start.json").write_text(json.dumps(_origin(start, hyper)))
    train_model(model, tokenizer, data, run, hyper, resume, max_steps)


def train_model(
    model: FourHeads,
    tokenizer: Tokenizer,
    data: Path,
    run: Path,
    hyper: recipe.Hyper,
    resume: bool = False,
    max_steps: int = 0,
) -> None:
    """Trains a given model; writes RUN/model and RUN/aside.jsonl."""
    set_seed(hyper.seed)
    rows = split(data)
    run.mkdir(parents=True, exist_ok=True)
    _write_aside(rows.aside, run / "aside.jsonl")
    examples = encode(rows.train, tokenizer, hyper.max_tokens)
    batches = plan(examples, hyper)
    (run / "data.json").write_text(json.dumps(_counts(examples, batches), indent=2))
    steps = min(max_steps or len(batches), len(batches))
    print(f"{len(examples)} texts, {len(batches)} batches, {steps} steps", flush=True)

    averaging = Averaging(model, hyper.ema_decay)
    trainer = FourTasksTrainer(
        model=model,
        args=_arguments(run, hyper, steps, len(batches)),
        train_dataset=examples,
        callbacks=[averaging],
        batches=batches,
        hyper=hyper,
    )
    checkpoints = run / "checkpoints"
    last = get_last_checkpoint(str(checkpoints)) if resume and checkpoints.exists() else None
    trainer.train(resume_from_checkpoint=last)
    model.load_state_dict(averaging.average)
    save(model.cpu().eval(), tokenizer, run / "model")


def has_bf16() -> bool:
    """Whether bf16 pays: a CPU without its instructions is slower with it than without."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _arguments(run: Path, hyper: recipe.Hyper, steps: int, planned: int) -> TrainingArguments:
    save_every = max(1, round(planned / (hyper.epochs * hyper.saves_per_epoch)))
    return TrainingArguments(
        output_dir=str(run / "checkpoints"),
        max_steps=steps,
        per_device_train_batch_size=hyper.batch,
        learning_rate=hyper.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(hyper.warmup * steps),
        weight_decay=hyper.weight_decay,
        optim="adamw_torch_fused",
        bf16=has_bf16(),
        use_cpu=not torch.cuda.is_available(),
        save_steps=save_every,
        save_total_limit=2,
        logging_steps=100,
        seed=hyper.seed,
        remove_unused_columns=False,  # the batches are ready: they have no columns
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to=[],
    )


def _origin(start: Path | None, hyper: recipe.Hyper) -> dict:
    """What the manifest says of where training began."""
    numbers = {"hyper": dataclasses.asdict(hyper)}
    if start is None:
        return numbers
    manifest = json.loads((start / "manifest.json").read_text())
    return {
        **numbers,
        "trained_from": {
            "name": manifest["name"],
            "version": manifest["version"],
            "graph_sha256": manifest["graph"]["sha256"],
        },
    }


def _write_aside(rows: list[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({**row.fields, "set": row.set}, ensure_ascii=False) + "\n")


def _counts(examples: list[Example], batches: list[list[int]]) -> dict[str, dict[str, int]]:
    """Per set: its training texts, and how many of them the whole run reads."""
    counts: dict[str, dict[str, int]] = {}
    for example in examples:
        counts.setdefault(example.set, {"texts": 0, "reads": 0})["texts"] += 1
    for batch in batches:
        for index in batch:
            counts[examples[index].set]["reads"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a model folder to train further")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=SET_HELP)
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    hyper = recipe.hyper(given.set)
    train(given.data, given.run, hyper, given.start, given.resume)


if __name__ == "__main__":
    main()
