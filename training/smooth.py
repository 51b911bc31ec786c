"""Owns taming the few channels whose activations are many times larger than the rest.

One scale serves all channels of a token, and a single channel that is many times larger
leaves the others few steps. Dividing such a channel by a factor and multiplying its row of the
weights by it changes no output in fp32, and gives the others their steps back (after Xiao et
al. 2022, SmoothQuant). The bundled model loses nothing without it; one that was fitted to
its texts can lose two points.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer

from training.model import Heads
from training.reader import MAX_TOKENS

# The inputs of a layer's quantised products that have such channels.
PRODUCTS = {"qkv": "attention.q_lin", "inner": "ffn.lin1", "outer": "ffn.lin2"}

Factors = dict[str, torch.Tensor]  # "layer3/inner" -> a factor per input channel, 1 for most


def factors(
    model: Heads, tokenizer: Tokenizer, texts: list[str], usual: float
) -> Factors:
    """How far each channel has to be divided, from its peaks over some texts: so far that it peaks
    no higher than the share `usual` of the channels does."""
    peaks: dict[str, torch.Tensor] = {}

    def watch(name: str):
        def hook(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            highest = inputs[0].detach().abs().flatten(0, -2).amax(dim=0)
            peaks[name] = torch.maximum(peaks.get(name, highest), highest)

        return hook

    handles = [
        layer.get_submodule(part).register_forward_pre_hook(watch(f"layer{number}/{product}"))
        for number, layer in enumerate(model.encoder.transformer.layer)
        for product, part in PRODUCTS.items()
    ]
    model.eval()
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([tokenizer.encode(text).ids[:MAX_TOKENS]])
            model(ids, torch.ones_like(ids))
    for handle in handles:
        handle.remove()
    return {name: (peak / peak.quantile(usual)).clamp(min=1) for name, peak in peaks.items()}
