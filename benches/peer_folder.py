"""The bundled model's encoder as a folder that other servers load.

    training/.venv/bin/python benches/peer_folder.py target/peers

Hugging Face's classifier reads the first token's state, where the bundled model reads the mean of
all: the encoder's weights and nearly all of the work are the same, the answers mean nothing. Only the
time may be compared.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from transformers import (  # noqa: E402
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from training.reader import MAX_TOKENS  # noqa: E402
from training.recipe import SENTIMENTS  # noqa: E402
from training.restore import restore  # noqa: E402

LABELS = dict(enumerate(SENTIMENTS))
SPECIAL = {name: f"[{name[:3].upper()}]" for name in ("pad_token", "unk_token", "cls_token", "sep_token")}
INPUTS = ["input_ids", "attention_mask"]


class Logits(torch.nn.Module):
    """The classifier without the wrapping of its answer, which ONNX does not know."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def write(folder: Path) -> None:
    """Writes config.json, model.safetensors, model.onnx (fp32) and the tokenizer's files."""
    network, tokenizer = restore(ROOT / "models" / "undertone-mini")
    ours = network.encoder.config
    sizes = {name: getattr(ours, name) for name in ("vocab_size", "max_position_embeddings", "dim",
                                                    "hidden_dim", "n_layers", "n_heads")}  # fmt: skip
    names = {label: number for number, label in LABELS.items()}
    config = DistilBertConfig(**sizes, pad_token_id=0, id2label=LABELS, label2id=names)
    model = DistilBertForSequenceClassification(config).eval()
    model.distilbert.load_state_dict(network.encoder.state_dict())
    model.save_pretrained(folder)

    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **SPECIAL, model_max_length=MAX_TOKENS, model_input_names=INPUTS
    )
    fast.save_pretrained(folder)
    # Version 5 of transformers writes the name of a class that the versions before it do not know.
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    (folder / "special_tokens_map.json").write_text(json.dumps(SPECIAL))

    batch = fast(["a text", "another one, longer"], padding=True, return_tensors="pt")
    axes = {name: {0: "texts", 1: "tokens"} for name in INPUTS} | {"logits": {0: "texts"}}
    torch.onnx.export(
        Logits(model).eval(), tuple(batch[name] for name in INPUTS), str(folder / "model.onnx"),
        input_names=INPUTS, output_names=["logits"], dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    print(folder)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder)


if __name__ == "__main__":
    main()
