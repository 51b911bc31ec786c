"""Owns the order of things: measure, fit, export, quantise, measure, calibrate, package."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from training import recipe
from training.domain.bundled import BundledStart
from training.domain.hub import HubStart
from training.domain.measure import MOST_INT8_LOSS, Measured, measure, table
from training.domain.package import Origin, write_calibration, write_rest
from training.domain.rows import Parts, labels_of
from training.domain.start import Start


def fit_folder(
    start: Path, parts: Parts, hyper: recipe.DomainHyper, origin: Origin, out: Path, any_loss: bool
) -> Measured:
    """The whole chain: `out` is there when all of it went well, and only then."""
    if out.exists():
        raise SystemExit(f"--out {out}: is there already; name another, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside the finished folder, so that the last step is a rename.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        work = Path(folder)
        begun = open_start(start, parts)
        measured = fit_graph(begun, parts, hyper, work)
        print(table(measured), flush=True)
        refuse_int8_loss(measured, any_loss)
        write_rest(begun, measured, parts, origin, hyper, work / "finished", out.name)
        os.rename(work / "finished", out)
    return measured


def open_start(folder: Path, parts: Parts) -> Start:
    """Reads the model to begin with, of either kind."""
    if (folder / "manifest.json").exists() and not (folder / "config.json").exists():
        return BundledStart(folder)
    if (folder / "config.json").exists():
        return HubStart(folder, labels_of(parts.train + parts.held_out))
    raise SystemExit(
        f"--start {folder}: holds neither manifest.json, as this project's chain writes it, "
        f"nor Hugging Face's config.json"
    )


def fit_graph(start: Start, parts: Parts, hyper: recipe.DomainHyper, work: Path) -> Measured:
    """From the start to a calibrated graph in `work/finished`."""
    finished, fp32 = work / "finished", work / "fp32.onnx"
    finished.mkdir()
    texts = [row.text for row in parts.held_out]
    before = start.before(texts, work)
    start.learn(parts.train, hyper, work)
    start.write(fp32, finished)
    int8 = start.logits(finished / "model.onnx", texts)
    measured = measure(parts.held_out, before, start.logits(fp32, texts), int8)
    write_calibration(start, measured, parts, finished)
    return measured


def refuse_int8_loss(measured: Measured, any_loss: bool) -> None:
    """Ends the program where quantising cost more than it may."""
    if any_loss or not measured.int8_loses_too_much:
        return
    raise SystemExit(
        f"INT8 reads {100 * measured.int8_loss:.1f} points less of the held-out part right than "
        f"fp32 does, and {100 * MOST_INT8_LOSS:.0f} is the most: nothing was written. "
        f"Another --seed may do, or --allow-int8-loss keeps it"
    )
