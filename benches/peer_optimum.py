"""Reads with optimum's ONNX pipeline, in an environment of its own, what `peers.py` sends.

    PYTHON benches/peer_optimum.py FOLDER BATCH

A line in is a JSON list of texts, a line out says that all are read.
"""

import json
import os
import sys

# Before ONNX Runtime is loaded, or it sends telemetry.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from optimum.onnxruntime import ORTModelForSequenceClassification, pipeline
from transformers import AutoTokenizer

folder, batch = sys.argv[1], int(sys.argv[2])
classify = pipeline(
    "text-classification",
    model=ORTModelForSequenceClassification.from_pretrained(folder, file_name="model.onnx"),
    tokenizer=AutoTokenizer.from_pretrained(folder),
)
print("ready", flush=True)
for line in sys.stdin:
    classify(json.loads(line), batch_size=batch, truncation=True)
    print("read", flush=True)
