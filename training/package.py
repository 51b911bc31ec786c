"""Owns the model folder: the served graph, its tokenizer, the manifest, the card.

    python -m training.package --run RUN --model models/NAME

writes the manifest and the card over what the earlier stages left in the folder.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

from tokenizers import Tokenizer

from training import recipe
from training.card import card
from training.reader import MAX_TOKENS

VERSION = "8"


def write_tokenizer(source: Path, model: Path) -> None:
    """The tokenizer without truncation or padding: the manifest's length counts."""
    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(model / "tokenizer.json"))


def write_manifest(run: Path, model: Path) -> dict:
    """Writes MODEL/manifest.json, then the card from it and the figures."""
    sources = json.loads((Path(__file__).parent / "sources.json").read_text())
    counts = json.loads((run / "data.json").read_text())
    # Only a run from the base or from a folder has one; a network that is handed over has not.
    start = json.loads((run / "start.json").read_text()) if (run / "start.json").exists() else {}
    if (run / "teacher.json").exists():
        start["teacher"] = json.loads((run / "teacher.json").read_text())
    manifest = {
        "format": 1,
        "name": model.name,
        "version": VERSION,
        "languages": ["en"],
        "graph": {
            "file": "model.onnx",
            "sha256": sha256(model / "model.onnx"),
            "precision": "int8",
        },
        "tokenizer": {"file": "tokenizer.json", "sha256": sha256(model / "tokenizer.json")},
        "max_tokens": MAX_TOKENS,
        "heads": {
            "sentiment": {"output": "sentiment", "labels": recipe.SENTIMENTS},
            "sarcasm": {"output": "sarcasm"},
            "emotions": {"output": "emotions", "labels": recipe.EMOTIONS},
            "aspects": {"output": "aspects", "labels": recipe.TAGS},
            "odds": {"output": "odds"},
        },
        "base": {**recipe.BASE, **start},
        "data": [
            {
                "name": name,
                "licence": sources.get(name, {}).get("licence", "not stated"),
                "texts": count["texts"],
            }
            for name, count in counts.items()
            if count["reads"]
        ],
        "created": datetime.date.today().isoformat(),
        "figures": "figures.json",
    }
    (model / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    measured = json.loads((model / "figures.json").read_text())
    calibration = json.loads((model / "calibration.json").read_text())
    read_by_kind = model / "behaviour.json"
    behaviour = json.loads(read_by_kind.read_text()) if read_by_kind.exists() else None
    written = card(manifest, measured, calibration, behaviour)
    (model / "README.md").write_text(written, encoding="utf-8")
    return manifest


def verify(model: Path) -> None:
    """Raises where a file of the folder is not the one that the manifest and the
    calibration were written for."""
    manifest = json.loads((model / "manifest.json").read_text())
    calibration = json.loads((model / "calibration.json").read_text())
    measured = json.loads((model / manifest["figures"]).read_text())
    for part in ("graph", "tokenizer"):
        if sha256(model / manifest[part]["file"]) != manifest[part]["sha256"]:
            raise RuntimeError(f"{model}: {manifest[part]['file']} is not the manifest's")
    for name, other in (("calibration.json", calibration), (manifest["figures"], measured)):
        if other["graph_sha256"] != manifest["graph"]["sha256"]:
            raise RuntimeError(f"{model}: {name} was made for another graph")


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--model", type=Path, required=True, help="folder with graph and figures")
    given = parser.parse_args()
    write_manifest(given.run, given.model)
    verify(given.model)


if __name__ == "__main__":
    main()
