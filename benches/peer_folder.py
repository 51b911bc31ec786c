"""The bundled model's encoder as a folder that other servers load.

    training/.venv/bin/python benches/peer_folder.py target/peers

Hugging Face's classifier of BERT reads the first token's state, where the bundled model reads the mean
of all: the encoder's weights and nearly all of the work are the same, the answers mean nothing. Only
the time may be compared.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from training.model import PARTS  # noqa: E402
from training.reader import MAX_TOKENS  # noqa: E402
from training.recipe import SENTIMENTS  # noqa: E402
from training.restore import restore  # noqa: E402

LABELS = dict(enumerate(SENTIMENTS))
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Logits(torch.nn.Module):
    """The classifier without the wrapping of its answer, which ONNX does not know."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(INPUTS, inputs, strict=True))).logits


def classifier(encoder: torch.nn.Module) -> BertForSequenceClassification:
    """BERT with the encoder's weights: a DistilBERT is one without types of tokens."""
    ours = encoder.config
    names = {label: number for number, label in LABELS.items()}
    config = BertConfig(
        vocab_size=ours.vocab_size, max_position_embeddings=ours.max_position_embeddings,
        hidden_size=ours.dim, intermediate_size=ours.hidden_dim, num_hidden_layers=ours.n_layers,
        num_attention_heads=ours.n_heads, pad_token_id=0, id2label=LABELS, label2id=names,
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    known, weights = encoder.state_dict(), model.bert.state_dict()
    weights["embeddings.token_type_embeddings.weight"].zero_()
    for name in known:
        if name.startswith("embeddings."):
            weights[name] = known[name]
    for layer in range(ours.n_layers):
        for theirs, part in PARTS.items():
            for kind in ("weight", "bias"):
                weights[f"encoder.layer.{layer}.{theirs}.{kind}"] = known[
                    f"transformer.layer.{layer}.{part}.{kind}"
                ]
    model.bert.load_state_dict(weights)
    return model


def write(folder: Path) -> None:
    """Writes config.json, model.safetensors, model.onnx (fp32) and the tokenizer's files."""
    network, tokenizer = restore(ROOT / "models" / "undertone-mini")
    model = classifier(network.encoder)
    model.save_pretrained(folder)

    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **SPECIAL, model_max_length=MAX_TOKENS, model_input_names=INPUTS
    )
    fast.save_pretrained(folder)
    # Version 5 of transformers writes the name of a class that those before it do not know.
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    (folder / "special_tokens_map.json").write_text(json.dumps(SPECIAL))
    # Where text-embeddings-inference looks how long a text may be.
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": MAX_TOKENS}))

    batch = fast(["a text", "another one, longer"], padding=True, return_tensors="pt")
    inputs = tuple(batch[name] for name in INPUTS)
    with torch.no_grad():
        ours = network.encoder(*inputs[:2]).last_hidden_state
        theirs = model.bert(*inputs).last_hidden_state
    kept = batch["attention_mask"].bool()
    if not torch.allclose(ours[kept], theirs[kept], atol=1e-5):
        raise SystemExit("the encoder in the folder is not the bundled one")
    axes = {name: {0: "texts", 1: "tokens"} for name in INPUTS} | {"logits": {0: "texts"}}
    torch.onnx.export(
        Logits(model).eval(), inputs, str(folder / "model.onnx"), input_names=INPUTS,
        output_names=["logits"], dynamic_axes=axes, opset_version=17, dynamo=False,
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
