"""Your own domain: labelled texts in, a model folder out that a line of configuration serves.

    python -m training.domain --data FILE.csv --out models/NAME

FILE has the columns `text` and `label` (negative, neutral or positive; two of them or all
three), or is JSON lines with these fields.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path

from training import recipe
from training.domain import rows
from training.domain.chain import fit_folder
from training.domain.package import Origin
from training.train import SET_HELP

# With fewer labelled texts the gain is small or none.
ENOUGH = 1000


def main() -> None:
    given = _arguments()
    labelled = rows.read(given.data)
    if len(labelled) < ENOUGH:
        print(f"fewer than {ENOUGH:,} texts: expect little, and see what the table below says")
    cut = rows.split(labelled, given.holdout, given.seed)
    parts = rows.Parts(rows.some(cut.train, given.examples, given.seed), cut.held_out)
    hyper = dataclasses.replace(recipe.hyper(given.set, recipe.DomainHyper()), seed=given.seed)
    command = shlex.join(["python", "-m", "training.domain", *sys.argv[1:]])
    origin = Origin(str(given.data), rows.sha256(given.data), command)
    fit_folder(given.start, parts, hyper, origin, given.out, given.allow_int8_loss)
    print(f'{given.out}: serve it with classifier.model = "{given.out}"')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.domain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="the labelled texts")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument(
        "--start",
        type=Path,
        default=Path("models/undertone-mini"),
        help="the model to begin with: the bundled one, one that was fitted before, or the "
        "folder of a DistilBERT from Hugging Face with its weights; default %(default)s",
    )
    parser.add_argument(
        "--holdout", type=float, default=0.2, help="share that measures; default %(default)s"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="chooses the held-out part, and more; default 1"
    )
    parser.add_argument(
        "--examples", type=int, metavar="N", help="train on so many of the texts not held out"
    )
    parser.add_argument(
        "--allow-int8-loss",
        action="store_true",
        help="write the folder even if INT8 loses more than 1 point of accuracy to fp32",
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=SET_HELP)
    return parser.parse_args()


if __name__ == "__main__":
    main()
