"""Owns the graphs that a plain export gives: what the lean one is measured against.

    python -m training.raw_graphs [--model models/undertone-mini] [--out target/bench]

writes raw-fp32.onnx, PyTorch's own export of the model's weights, and raw-int8.onnx, which
ONNX Runtime's quantiser makes of it; and of a DistilBERT of the full size, with random weights,
full-raw-int8.onnx and full-lean.onnx. `cargo bench --bench gateway -- graphs` reads them.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from training.model import Heads
from training.quantise import dynamic, quantise
from training.restore import restore
from training.tiny_models import export_classifier

class Plain(torch.nn.Module):
    """The network with its outputs by position: all that the model has, in the order of `heads`."""

    def __init__(self, model: Heads) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.model(ids, mask)
        return tuple(outputs[name] for name in self.heads)

    @property
    def heads(self) -> list[str]:
        return [*self.model.on_text, "aspects"]


def write(model: Path, out: Path) -> None:
    """Writes both graphs of a model folder."""
    out.mkdir(parents=True, exist_ok=True)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision
    network, _ = restore(model)
    plain = Plain(network).eval()
    mask = torch.ones(2, 7, dtype=torch.long)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        plain,
        (mask * 5, mask),
        out / "raw-fp32.onnx",
        input_names=["input_ids", "attention_mask"],
        output_names=plain.heads,
        dynamic_shapes=((free, free)),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    dynamic(out / "raw-fp32.onnx", out / "raw-int8.onnx")
    for name in ("raw-fp32.onnx", "raw-int8.onnx"):
        print(f"{out / name}: {(out / name).stat().st_size / 1e6:.1f} MB")


def write_full(out: Path) -> None:
    """Speed does not depend on what the weights are, so that none has to be fetched."""
    torch.manual_seed(1)
    config = DistilBertConfig(num_labels=2)
    model = DistilBertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    whole = out / "full-fp32.onnx"
    export_classifier(model, ["input_ids", "attention_mask"], whole)
    dynamic(whole, out / "full-raw-int8.onnx")
    described = {**config.to_dict(), "architectures": [type(model).__name__]}
    if not quantise(whole, out / "full-lean.onnx", described):
        raise SystemExit("the export of the full DistilBERT is not read back as one")
    whole.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/undertone-mini"))
    parser.add_argument("--out", type=Path, default=Path("target/bench"))
    given = parser.parse_args()
    write(given.model, given.out)
    write_full(given.out)


if __name__ == "__main__":
    main()
