"""Owns the card of a model that was fitted to one's own texts."""

from __future__ import annotations

from collections import Counter

from training.domain.measure import Measured, table
from training.domain.rows import Parts

TEMPLATE = """# {name}, version {version}

{start}, fitted to {train} texts of `{file}` ({labels}; SHA-256 of the file
`{sha256}`). Seed {seed}, {epochs} epochs; `manifest.json` has every number of the run. INT8,
for ONNX Runtime on a CPU; a text longer than {max_tokens} tokens is read in windows.

    {command}

## Before and after

{table}

The held-out texts trained nothing; which ones they are depends on the seed. `before` is
{start} as it was served, under its own temperature. After: each text under the
temperature that the four folds gave to which it does not belong; the one that is served,
{temperature}, was fitted on all of them. Scores are restricted to the labels that occur, and
texts are cut at {max_tokens} tokens. One seed, and {texts} texts: a difference of less than {noise} points
may be chance.{int8}

## What else changed

{kept}

The thresholds that send texts to an LLM are those of {threshold_model}; the keys of `[cascade]` in
the configuration override them.
"""

FOUR_HEADS = """Sarcasm, emotions and aspects were held to what {start} says of the same texts and of the ones
that come with Undertone. Their thresholds and temperature are taken over. What they lose on
their own dev sets was not measured in this run; `python -m training.domain.study` does that."""

ONE_HEAD = """The model has a head for sentiment only; sarcasm, emotions and aspects are read by the bundled
model. `languages` in `manifest.json` says whose texts it is given: add yours if it reads them."""


def card(
    manifest: dict, measured: Measured, parts: Parts, file: str, command: str, start: str
) -> str:
    """The README.md of a fitted model's folder."""
    own, hyper = manifest["data"][-1], manifest["base"]["hyper"]
    counts = Counter(row.label for row in parts.train)
    several = "sarcasm" in manifest["heads"]
    accuracy = measured.int8["accuracy"]
    return TEMPLATE.format(
        name=manifest["name"],
        version=manifest["version"],
        start=start,
        train=f"{own['texts']:,}",
        file=file,
        labels=", ".join(f"{count:,} {label}" for label, count in sorted(counts.items())),
        sha256=own["sha256"],
        seed=hyper["seed"],
        epochs=hyper["epochs"],
        max_tokens=manifest["max_tokens"],
        command=command,
        table=table(measured),
        temperature=measured.temperature,
        texts=f"{measured.texts:,}",
        # Two standard errors of the accuracy.
        noise=f"{200 * (accuracy * (1 - accuracy) / measured.texts) ** 0.5:.1f}",
        int8=_int8(measured),
        kept=(FOUR_HEADS if several else ONE_HEAD).format(start=start),
        threshold_model=start if several else "the bundled model",
    )


def _int8(measured: Measured) -> str:
    """A word on a loss that was allowed by hand."""
    if not measured.int8_loses_too_much:
        return ""
    return (
        f" INT8 costs {100 * measured.int8_loss:.1f} points of accuracy here, more than the chain "
        f"lets pass by itself: `--allow-int8-loss` was given."
    )
