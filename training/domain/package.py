"""Owns the files beside the graph: calibration, figures, manifest, card."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

from training import recipe
from training.domain.card import card
from training.domain.keep import with_epochs
from training.domain.measure import Measured
from training.domain.rows import Parts
from training.domain.start import Start
from training.package import sha256, sha256_of, verify

VERSION = "1"


@dataclasses.dataclass(frozen=True)
class Origin:
    """Whence the texts came, and by which command."""

    file: str  # as it was given
    sha256: str
    command: str


def write_calibration(start: Start, measured: Measured, parts: Parts, finished: Path) -> None:
    """Writes calibration.json, which figures and serving need beside the graph."""
    texts = "".join(f"{row.label}\t{row.text}\n" for row in parts.held_out)
    calibration = {
        "format": 1,
        "graph_sha256": sha256(finished / "model.onnx"),
        "fitted_on": {
            "texts": measured.texts,
            "sha256": sha256_of(texts.encode()),
            "description": "the sentiment's temperature, on the held-out texts; all else as "
            f"{start.folder.name} has it",
        },
        "date": datetime.date.today().isoformat(),
        **start.calibration(measured.temperature),
    }
    _write(finished / "calibration.json", calibration)


def write_rest(
    start: Start,
    measured: Measured,
    parts: Parts,
    origin: Origin,
    hyper: recipe.DomainHyper,
    finished: Path,
    name: str,
) -> None:
    """Writes figures.json, manifest.json and README.md, and checks the folder."""
    graph = sha256(finished / "model.onnx")
    of_set = f"domain/{Path(origin.file).stem}"
    figures = {"format": 1, "graph_sha256": graph}
    for kind, values in (
        ("before", measured.before),
        ("int8", measured.int8),
        ("fp32", measured.fp32),
    ):
        if values:
            figures[kind] = {of_set: {"texts": measured.texts, **values}}
    _write(finished / "figures.json", figures)
    manifest = {
        "format": 1,
        "name": name,
        "version": VERSION,
        "languages": start.languages,
        "graph": {"file": "model.onnx", "sha256": graph, "precision": "int8"},
        "tokenizer": {
            "file": "tokenizer.json",
            "sha256": sha256(finished / "tokenizer.json"),
        },
        "max_tokens": start.max_tokens,
        "heads": start.heads,
        "base": {
            **start.base,
            "hyper": dataclasses.asdict(with_epochs(hyper, len(parts.train))),
        },
        "data": [
            *start.data,
            {
                "name": of_set,
                "licence": "its owner's",
                "texts": len(parts.train),
                "sha256": origin.sha256,
            },
        ],
        "created": datetime.date.today().isoformat(),
        "figures": "figures.json",
    }
    _write(finished / "manifest.json", manifest)
    file = Path(origin.file).name
    text = card(manifest, measured, parts, file, origin.command, start.folder.name)
    (finished / "README.md").write_text(text, encoding="utf-8")
    verify(finished)


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
