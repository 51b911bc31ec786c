"""The whole chain: data in, a model folder out.

    python -m training --data DIR --out models/undertone-mini [--run RUN] [--resume]

Stages, each also a module of its own: train, export, calibrate, figures, package. RUN keeps checkpoints, the trained weights and the fp32 graph.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training import recipe
from training.calibrate import calibrate
from training.export import export
from training.figures import write_figures
from training.package import verify, write_manifest, write_tokenizer
from training.train import SET_HELP, train


def finish(data: Path, run: Path, out: Path) -> None:
    """Everything after training: from RUN/model to a verified model folder."""
    out.mkdir(parents=True, exist_ok=True)
    export(run, run / "fp32.onnx", quantised=False)
    export(run, out / "model.onnx", quantised=True)
    write_tokenizer(run / "model" / "tokenizer.json", out)
    calibrate(data, run, out)
    write_figures(data, out, run / "fp32.onnx")
    write_manifest(run, out)
    verify(out)
    print(f"{out}: model.onnx {(out / 'model.onnx').stat().st_size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="layout: training/README.md")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--run", type=Path, help="working folder; default training/runs/NAME")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=SET_HELP)
    parser.add_argument("--start", type=Path, help="a model folder to train further")
    parser.add_argument("--resume", action="store_true", help="go on from RUN's last checkpoint")
    parser.add_argument("--skip-training", action="store_true", help="RUN/model is there already")
    given = parser.parse_args()
    run = given.run or Path("training/runs") / given.out.name
    if not given.skip_training:
        hyper = recipe.hyper(given.set)
        train(given.data, run, hyper, given.start, given.resume)
    finish(given.data, run, given.out)


if __name__ == "__main__":
    main()
