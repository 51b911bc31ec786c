"""Owns how a graph is opened in ONNX Runtime: as the gateway opens it, so that the chain
measures what is served. No torch.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def open_session(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """A session of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # On processors with AVX2 alone, sums of two INT8 products that overflow 16 bits would else be
    # cut off, and the scores be others than anywhere else.
    options.add_session_config_entry("session.x64quantprecision", "1")
    # The fused kernel is slower than the two nodes that it replaces.
    return onnxruntime.InferenceSession(
        graph if isinstance(graph, bytes) else str(graph),
        options,
        disabled_optimizers=["SkipLayerNormFusion"],
    )
