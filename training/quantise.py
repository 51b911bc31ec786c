"""Owns dynamic INT8: signed weights per channel, activations scaled as they come.

    python -m training.quantise FOLDER

reads FOLDER/model.onnx (or FOLDER/onnx/model.onnx, as the hub lays it out) and writes
FOLDER-int8/ with everything that serving it needs. Needs only onnx and onnxruntime:
see requirements-quantise.txt.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

# A folder from the hub may hold the same weights in other formats.
WEIGHTS = {".onnx", ".onnx_data", ".data", ".bin", ".safetensors", ".h5", ".msgpack", ".ot", ".pt"}


def quantise(source: Path, target: Path, keep: list[str] | None = None) -> None:
    """Writes the INT8 form of the fp32 graph `source`; the nodes in `keep` stay fp32.

    Signed weights: ONNX Runtime multiplies unsigned ones more slowly on x86.
    """
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
            nodes_to_exclude=keep or [],
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
    quantise(source, target / "model.onnx")
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in WEIGHTS:
            shutil.copyfile(path, target / path.name)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a model folder with model.onnx, tokenizer.json")
    folder = parser.parse_args().folder.resolve()
    target = quantise_folder(folder)
    size = (target / "model.onnx").stat().st_size / 1e6
    print(f"{target}: model.onnx {size:.1f} MB, int8")


if __name__ == "__main__":
    main()
