"""Trains, exports, quantises, calibrates and measures Undertone's own model.

`python -m training --data DIR --out models/NAME` runs the whole chain; every
stage is a module of its own that can also be run alone.

ONNX Runtime sends telemetry unless it is told not to before it is loaded. Whatever of this package
loads it has come through here first.
"""

import os
import sys

if "onnxruntime" in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
    raise ImportError(
        "onnxruntime was imported before training, with its telemetry on: import training first, "
        "or set ORT_DISABLE_TELEMETRY=1"
    )
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
