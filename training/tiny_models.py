"""Owns the tiny sequence classifiers that the Rust tests compare with PyTorch.

    python -m training.tiny_models [--out tests/fixtures/models]

A DistilBERT, a BERT and a RoBERTa with seeded random weights, laid out as the hub lays
them out, with the logits that PyTorch gives for five texts. No network, no real weights.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import onnx
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

OUT = Path("tests/fixtures/models")
OPSET = 18
MAX_TOKENS = 64
BYTE_LEVEL_VOCABULARY = 320  # 256 bytes, five special tokens, and some merges

TEXTS = [
    "I love this phone, the battery lasts all day.",
    "The package arrived broken and nobody answered my emails.",
    "The product is great but shipping was terrible",
    "Crème brûlée: déjà vu 😀",
    "ok",
]


def make_all(out: Path) -> None:
    """Writes the three folders."""
    star = ["1 star", *(f"{count} stars" for count in range(2, 6))]
    wordpiece, bytes_ = _wordpiece(), _byte_level()
    width = {"vocab_size": wordpiece.get_vocab_size(), "attn_implementation": "eager"}
    encoder = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }

    torch.manual_seed(1)
    labels = _labels(["NEGATIVE", "POSITIVE"])
    config = DistilBertConfig(
        dim=16, hidden_dim=32, n_layers=2, n_heads=2, max_position_embeddings=MAX_TOKENS,
        **width, **labels,
    )  # fmt: skip
    _write(out / "tiny-distilbert", DistilBertForSequenceClassification(config), wordpiece)

    torch.manual_seed(2)
    config = BertConfig(max_position_embeddings=MAX_TOKENS, **encoder, **width, **_labels(star))
    _write(out / "tiny-bert", BertForSequenceClassification(config), wordpiece, ["token_type_ids"])

    torch.manual_seed(3)
    width["vocab_size"] = bytes_.get_vocab_size()
    config = RobertaConfig(
        max_position_embeddings=MAX_TOKENS + 2,  # its positions begin after the padding's
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        **encoder,
        **width,
        **_labels([f"LABEL_{number}" for number in range(3)]),
    )
    _write(out / "tiny-roberta", RobertaForSequenceClassification(config), bytes_)


def _labels(names: list[str]) -> dict:
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
    }


def _write(
    folder: Path, model: PreTrainedModel, tokenizer: Tokenizer, more_inputs: list[str] | None = None
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # The usual start (a deviation of 0.02) leaves all texts' logits alike.
            if parameter.dim() > 1:
                parameter.normal_(0, 0.5)
    model.config.architectures = [type(model).__name__]
    (folder / "config.json").write_text(model.config.to_json_string())
    tokenizer.save(str(folder / "tokenizer.json"))
    export_classifier(model, ["input_ids", "attention_mask", *(more_inputs or [])], folder / "model.onnx")
    expected = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        with torch.no_grad():
            inputs = torch.tensor([ids])
            logits = model(input_ids=inputs, attention_mask=torch.ones_like(inputs)).logits[0]
        expected.append(
            {
                "text": text,
                "input_ids": ids,
                "logits": [round(value, 6) for value in logits.tolist()],
            }
        )
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


class _Named(torch.nn.Module):
    """The classifier with its inputs by position, in the order that the graph names them."""

    def __init__(self, model: PreTrainedModel, names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


def export_classifier(model: PreTrainedModel, inputs: list[str], path: Path) -> None:
    """Writes a classifier's fp32 graph: some inputs in, `logits` out."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision
    mask = torch.ones(2, 7, dtype=torch.long)
    examples = {"input_ids": mask * 5, "attention_mask": mask, "token_type_ids": mask * 0}
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        _Named(model, inputs).eval(),
        tuple(examples[name] for name in inputs),
        path,
        input_names=inputs,
        output_names=["logits"],
        dynamic_shapes=(tuple(free for _ in inputs),),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    graph = onnx.load(path)
    # Source lines and stack traces of the exporting machine: most of the file, and private.
    for holder in [graph, graph.graph, *graph.graph.node, *graph.graph.value_info]:
        holder.doc_string = ""
        del holder.metadata_props[:]
    for value in [*graph.graph.input, *graph.graph.output, *graph.graph.initializer]:
        del value.metadata_props[:]
    onnx.save(graph, path)


def _wordpiece() -> Tokenizer:
    # By hand: the WordPiece trainer breaks ties differently in every run.
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = "love this phone battery all day package broken and product great but was terr"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *",.:!?'", *words.split()]
    tokens += [f"##{letter}" for letter in letters] + ["##ible", "##ing", "##ed"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BYTE_LEVEL_VOCABULARY,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), add_prefix_space=False
    )
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    make_all(parser.parse_args().out)


if __name__ == "__main__":
    main()
