"""Owns the simulation of learning in service: what a gateway that learns from its LLM's answers
escalates, round after round, at the same accuracy.

    python -m training.online --data FILE.jsonl --dev FILE.jsonl --out FILE.json --plot FILE.svg

A labelled set plays the traffic, in an order that a seed chooses, and its labels the LLM's answers.
At first a few texts, chosen at random, are all escalated. Then, round by round:

- the model reads each text; the ones of which it is least sure go to the LLM, and so do a few at
  random (`--sample`), whatever it thinks of them;
- the texts chosen at random fit the temperature, and the threshold: the highest with which local
  and LLM's answers together are right as often as `--accuracy` asks. They never train. Their
  number is small, so that the threshold is off by a point or two of accuracy, as it would be in life;
- the answers to the escalated ones train: `training/domain` fits the model that the simulation began
  with to all that have come in so far, and the INT8 graph reads the next round.

Beside what came of the chosen thresholds, each round's model is measured on the dev file: its
accuracy by itself, and the least share that it would have had to escalate to reach the accuracy.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from training import recipe
from training.calibrate import best_temperature, temperature_losses
from training.domain import rows
from training.domain.bundled import BundledStart
from training.domain.measure import truth_of
from training.domain.rows import Labelled
from training.online_plot import plot
from training.package import sha256
from training.reader import softmax
from training.train import SET_HELP

# Below so many answers a fit is not worth its time: the model of the last round reads on.
FEWEST_TO_FIT = 50


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the stream is dealt with."""

    rounds: int
    texts: int  # of a round
    warm_up: int  # texts before the first round, all escalated
    sample: float  # share escalated at random
    accuracy: float  # of local and LLM's answers together
    seed: int


@dataclasses.dataclass
class Gathered:
    """The answers so far: those to texts chosen at random, and those to the escalated ones."""

    chosen: list[Labelled] = dataclasses.field(default_factory=list)
    escalated: list[Labelled] = dataclasses.field(default_factory=list)


class Served:
    """A graph that reads, and the temperature by which its scores are believed."""

    def __init__(self, start: BundledStart, graph: Path, fitted_on: list[Labelled]) -> None:
        self.start, self.graph = start, graph
        self.temperature = 1.0
        logits = self.start.logits(graph, [row.text for row in fitted_on])
        self.temperature = best_temperature(temperature_losses(logits, truth_of(fitted_on)))

    def read(self, texts: list[Labelled]) -> tuple[np.ndarray, np.ndarray]:
        """How doubtful each reading is (1 − the margin), and whether it is right."""
        logits = self.start.logits(self.graph, [row.text for row in texts])
        scores = softmax(logits / self.temperature)
        ordered = np.sort(scores, axis=1)
        return 1 - (ordered[:, -1] - ordered[:, -2]), scores.argmax(axis=1) == truth_of(texts)


def threshold(doubt: np.ndarray, right: np.ndarray, accuracy: float) -> float:
    """From which doubt on texts are escalated, so that as few are as the accuracy allows. Above 1:
    none has to be."""
    order = np.argsort(doubt, kind="stable")
    wrong_kept = np.cumsum(~right[order])
    allowed = int(np.floor((1 - accuracy) * len(doubt) + 1e-9))
    # The most texts, surest first, among which no more are wrong than may be.
    kept = int(np.searchsorted(wrong_kept, allowed, side="right"))
    return float(doubt[order[kept]]) if kept < len(doubt) else 1.01


def needed(doubt: np.ndarray, right: np.ndarray, accuracy: float) -> float:
    """The least share escalated with which the accuracy is reached."""
    return float((doubt >= threshold(doubt, right, accuracy)).mean())


def simulate(
    stream: list[Labelled],
    dev: list[Labelled],
    model: Path,
    plan: Plan,
    hyper: recipe.DomainHyper,
    work: Path,
) -> list[dict]:
    """A row of figures for each round, printed as it comes."""
    start = BundledStart(model)
    dice = np.random.default_rng(plan.seed)
    gathered = Gathered(chosen=stream[: plan.warm_up])
    served = Served(start, start.graph, gathered.chosen)
    found: list[dict] = []
    for number in range(1, plan.rounds + 1):
        began = time.monotonic()
        limit = threshold(*served.read(gathered.chosen), plan.accuracy)
        first = plan.warm_up + (number - 1) * plan.texts
        texts = stream[first : first + plan.texts]
        doubt, right = served.read(texts)
        sampled = dice.random(len(texts)) < plan.sample
        asked = (doubt >= limit) | sampled
        on_dev = served.read(dev)
        figures = {
            "round": number,
            "trained_on": 0 if served.graph == start.graph else len(gathered.escalated),
            "threshold": limit,
            "escalated": float(asked.mean()),
            "by_doubt": float((doubt >= limit).mean()),
            "accuracy": float((right | asked).mean()),
            "local_accuracy": float(right.mean()),
            "dev_local_accuracy": float(on_dev[1].mean()),
            "dev_escalated": float((on_dev[0] >= limit).mean()),
            "dev_accuracy": float((on_dev[1] | (on_dev[0] >= limit)).mean()),
            "dev_needed": needed(*on_dev, plan.accuracy),
        }
        gathered.chosen = gathered.chosen + [texts[at] for at in np.flatnonzero(sampled)]
        others = np.flatnonzero(asked & ~sampled)
        gathered.escalated = gathered.escalated + [texts[at] for at in others]
        if number < plan.rounds:
            served = fitted(served, gathered, model, hyper, work / str(number))
        figures["seconds"] = round(time.monotonic() - began, 1)
        found.append({name: round(value, 4) for name, value in figures.items()})
        print(json.dumps(found[-1]), flush=True)
    return found


def fitted(
    served: Served, gathered: Gathered, model: Path, hyper: recipe.DomainHyper, work: Path
) -> Served:
    """The model of the beginning, fitted to all answers so far; the one at hand where there are
    too few of them."""
    if len(gathered.escalated) < FEWEST_TO_FIT or len(rows.labels_of(gathered.escalated)) < 2:
        return served
    work.mkdir(parents=True)
    begun = BundledStart(model)
    begun.learn(gathered.escalated, hyper, work)
    begun.write(work / "fp32.onnx", work)
    return Served(begun, work / "model.onnx", gathered.chosen)


def table(found: list[dict]) -> str:
    """The rounds as Markdown."""
    lines = [
        "| round | trained on | escalated | accuracy | local alone | dev: escalated | accuracy | "
        "local alone | would do |",
        "|---" * 9 + "|",
    ]
    names = (
        "escalated", "accuracy", "local_accuracy",
        "dev_escalated", "dev_accuracy", "dev_local_accuracy", "dev_needed",
    )  # fmt: skip
    for row in found:
        cells = [f"{100 * row[name]:.1f} %" for name in names]
        lines.append(f"| {row['round']} | {row['trained_on']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.online",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled texts: the traffic")
    parser.add_argument("--dev", type=Path, required=True, help="labelled texts that only measure")
    parser.add_argument("--model", type=Path, default=Path("models/undertone-mini"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--texts", type=int, default=500, help="of a round; default 500")
    parser.add_argument("--warm-up", type=int, default=300, help="escalated first; default 300")
    parser.add_argument("--sample", type=float, default=0.05, help="share at random; default 0.05")
    parser.add_argument("--accuracy", type=float, default=0.9, help="to be kept; default 0.9")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="writes the figures as JSON")
    parser.add_argument("--plot", type=Path, help="writes a picture, SVG")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=SET_HELP)
    given = parser.parse_args()
    plan = Plan(
        given.rounds, given.texts, given.warm_up, given.sample, given.accuracy, given.seed
    )
    dev = rows.read(given.dev)
    traffic = rows.apart_from(rows.read(given.data), dev)
    count = plan.warm_up + plan.rounds * plan.texts
    if not 0 < plan.warm_up < count <= len(traffic):
        raise SystemExit(f"--rounds and --texts come to {count}: there are {len(traffic)} texts")
    stream = rows.some(traffic, count, plan.seed)
    hyper = dataclasses.replace(recipe.hyper(given.set, recipe.DomainHyper()), seed=plan.seed)
    with tempfile.TemporaryDirectory() as work:
        found = simulate(stream, dev, given.model, plan, hyper, Path(work))
    print(table(found))
    if given.out:
        graph = sha256(given.model / "model.onnx")
        whole = {"data": given.data.parent.name, "graph_sha256": graph, "rounds": found}
        whole |= {"plan": dataclasses.asdict(plan), "hyper": dataclasses.asdict(hyper)}
        given.out.write_text(json.dumps(whole, indent=1) + "\n")
    if given.plot:
        given.plot.write_text(plot(found, plan.accuracy))


if __name__ == "__main__":
    main()
