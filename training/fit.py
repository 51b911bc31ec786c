"""Owns how a network is fitted: losses, averaging of the weights, checkpoints, resuming."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from training import recipe
from training.encode import Example, collate

EMA_EVERY = 4  # steps between two averagings: each reads and writes all weights
EMOTION_SCALE = 10  # a mean over 28 mostly absent labels is small beside the other losses


def fit(
    model: nn.Module,
    examples: list[Example],
    batches: list[list[int]],
    checkpoints: Path,
    hyper: recipe.Hyper,
    resume: bool = False,
    max_steps: int = 0,
    kind: type[PlannedTrainer] | None = None,
) -> None:
    """Trains a model on planned batches and leaves it with its averaged weights. Which trainer
    does it decides what a batch is and what is lost on it."""
    set_seed(hyper.seed)
    steps = min(max_steps or len(batches), len(batches))
    print(f"{len(examples)} texts, {len(batches)} batches, {steps} steps", flush=True)
    averaging = Averaging(model, hyper.ema_decay)
    trainer = (kind or TasksTrainer)(
        model=model,
        args=_arguments(checkpoints, hyper, steps, len(batches)),
        train_dataset=examples,
        callbacks=[averaging],
        batches=batches,
        hyper=hyper,
    )
    last = get_last_checkpoint(str(checkpoints)) if resume and checkpoints.exists() else None
    trainer.train(resume_from_checkpoint=last)
    model.load_state_dict(averaging.average)
    # Outside training the model computes in fp32 again.
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)


class PlannedTrainer(Trainer):
    """Hugging Face's Trainer, fed with planned batches."""

    stack: Callable[[list[Example]], dict[str, Any]] = staticmethod(collate)

    def __init__(
        self, *args: Any, batches: list[list[int]], hyper: recipe.Hyper, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.batches = batches
        self.hyper = hyper

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(
            self.train_dataset,
            batch_sampler=self.batches,
            collate_fn=self.stack,
            num_workers=self.args.dataloader_num_workers,
        )


class TasksTrainer(PlannedTrainer):
    """Batches of one task each."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        targets, task = inputs["targets"], inputs["task"]
        outputs = model(inputs["input_ids"], inputs["attention_mask"], task)
        logits = outputs[task].float()
        loss = task_loss(task, logits, targets, self.hyper.label_smoothing)
        if inputs["pairs"]:
            loss = loss + self.hyper.consistency * difference(*logits.chunk(2))
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
    if task in ("sarcasm", "odds"):
        return functional.binary_cross_entropy_with_logits(logits.squeeze(-1), targets)
    if task == "emotions":
        return EMOTION_SCALE * functional.binary_cross_entropy_with_logits(logits, targets)
    # Tokens that count for nothing are rows of zeros.
    return -(targets * functional.log_softmax(logits, dim=-1)).sum() / targets.sum()


def difference(logits: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """How far what is said of texts is from what is said of their edited forms: the mean of
    Kullback and Leibler's divergences both ways."""
    if logits.shape[-1] == 1:  # of yes and no
        logits, others = (torch.cat([x, torch.zeros_like(x)], dim=-1) for x in (logits, others))
    one, other = (functional.log_softmax(x, dim=-1) for x in (logits, others))
    both = ((one.exp() - other.exp()) * (one - other)).sum(-1)
    return both.mean() / 2


class Averaging(TrainerCallback):
    """Keeps an exponential moving average of the weights, in every checkpoint too."""

    def __init__(self, model: nn.Module, decay: float) -> None:
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


def has_bf16() -> bool:
    """Whether bf16 pays: a CPU without its instructions is slower with it than without."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    info = Path("/proc/cpuinfo")
    flags = info.read_text() if info.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _arguments(checkpoints: Path, hyper: recipe.Hyper, steps: int, planned: int) -> TrainingArguments:
    save_every = max(1, round(planned / (hyper.epochs * max(1, hyper.saves_per_epoch))))
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=hyper.batch,
        learning_rate=hyper.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(hyper.warmup * steps),
        weight_decay=hyper.weight_decay,
        optim="adamw_torch_fused",
        bf16=has_bf16(),
        use_cpu=not torch.cuda.is_available(),
        save_strategy="steps" if hyper.saves_per_epoch else "no",
        save_steps=save_every,
        save_total_limit=2,
        logging_steps=100,
        seed=hyper.seed,
        remove_unused_columns=False,  # the batches are ready: they have no columns
        dataloader_pin_memory=False,
        # A GPU waits for batches that are stacked one after the other.
        dataloader_num_workers=4 if torch.cuda.is_available() else 0,
        disable_tqdm=True,
        report_to=[],
    )
