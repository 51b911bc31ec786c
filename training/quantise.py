"""Owns the INT8 form of a Hugging Face classifier.

    python -m training.quantise FOLDER

reads FOLDER/model.onnx (or FOLDER/onnx/model.onnx, as the hub lays it out) and writes
FOLDER-int8/ with everything that serving it needs. A DistilBERT becomes the lean graph that
the bundled model has too; any other network keeps its graph, with signed weights per channel
and activations that are scaled as they come. Needs only onnx and onnxruntime: see
requirements-quantise.txt.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from training.distilbert import lean

# A folder from the hub may hold the same weights in other formats.
WEIGHTS = {".onnx", ".onnx_data", ".data", ".bin", ".safetensors", ".h5", ".msgpack", ".ot", ".pt"}


def quantise(source: Path, target: Path, config: dict[str, Any]) -> bool:
    """Writes the INT8 form of the fp32 graph `source`, whose `config.json` is given. Returns
    whether it is a lean one."""
    rebuilt = lean(source, config)
    if rebuilt is not None:
        onnx.save(rebuilt, target)
    else:
        dynamic(source, target)
    return rebuilt is not None


def dynamic(source: Path, target: Path) -> None:
    """ONNX Runtime's own way, which any network can go. Signed weights: unsigned ones are
    multiplied more slowly on x86."""
    # The quantiser warns that it wants its own preprocessing; the graph needs none.
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        # Through one file without external data, which the quantiser reads by path.
        whole = Path(folder) / "model.onnx"
        onnx.save(onnx.load(source), whole)
        quantize_dynamic(
            whole,
            target,
            per_channel=True,
            weight_type=QuantType.QInt8,
            # Without it the quantiser gives up where it can't infer a type, as behind
            # ONNX Runtime's own operators.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def quantise_folder(folder: Path) -> Path:
    """Writes FOLDER-int8 beside a model folder and returns it."""
    candidates = [folder / "model.onnx", folder / "onnx" / "model.onnx"]
    source = next((path for path in candidates if path.exists()), None)
    if source is None:
        raise SystemExit(f"{folder} has neither model.onnx nor onnx/model.onnx")
    if not (folder / "tokenizer.json").exists():
        raise SystemExit(f"{folder} has no tokenizer.json: the served model needs it")
    target = folder.with_name(f"{folder.name}-int8")
    target.mkdir(exist_ok=True)
    described = folder / "config.json"
    config = json.loads(described.read_text()) if described.exists() else {}
    is_lean = quantise(source, target / "model.onnx", config)
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in WEIGHTS:
            shutil.copyfile(path, target / path.name)
    size = (target / "model.onnx").stat().st_size / 1e6
    print(f"{target}: model.onnx {size:.1f} MB, int8, {'lean' if is_lean else 'dynamic'}")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a model folder with model.onnx, tokenizer.json")
    folder = parser.parse_args().folder.resolve()
    quantise_folder(folder)


if __name__ == "__main__":
    main()
