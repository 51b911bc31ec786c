"""Owns the estimator `ambiguous`, P(the local label is wrong), which must hold on sets of texts that
nobody had when it was fitted.

An estimator that is measured on other texts of the same sets learns which set a text is from. So
here a whole family of sets is left out at a time, and what is measured on it is a fit that saw
none of it. Numbers of a reading are taken up one after the other, beginning with the margin, as
long as that tells right from wrong better on the sets left out; one under which a set falls below
the plain margin has to bring twice as much elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training import logistic, recipe
from training.data import Row, overall_label
from training.logistic import Logistic
from training.metrics import ECE_BINS, auroc

# Sets of the same source: what is learned of one says too much of the others.
FAMILIES = {
    "aspects/mams": "restaurants",
    "aspects/mams_categories": "restaurants",
    "aspects/memd_restaurant": "restaurants",
    "aspects/restaurants_2014": "restaurants",
    "aspects/restaurants_2016": "restaurants",
    "aspects/laptops_2014": "laptops",
    "aspects/memd_laptop": "laptops",
    "aspects/orders": "written",
    "sentiment/customers": "written",
    "sentiment/domains": "written",
    "sentiment/kinds": "written",
    "sentiment/mails": "written",
    "sentiment/orders": "written",
    "sentiment/dynasent": "dynasent",
    "sentiment/dynasent_hard": "dynasent",
    "cascade/dynasent_r1": "dynasent",
    "cascade/dynasent_r2": "dynasent",
    "sentiment/sst2": "treebank",
    "sentiment/sst5": "treebank",
    "cascade/sst3": "treebank",
}
# The label is about one of the things that a text names.
OF_TARGETS = {"aspects/twitter_targets", "sentiment/news_targets"}
FIRST = "margin"
# A set with fewer texts of either kind says nothing of an order.
FEWEST = 25
# By how much the mean AUROC must rise for one number more, and how many there may be.
WORTH = 0.0008
MOST_NUMBERS = 8
PENALTIES = [1e-3, 4e-3, 1.6e-2, 6.4e-2]


@dataclass(frozen=True)
class Doubts:
    """Texts whose true label is known: parallel arrays, a place for each."""

    names: list[str]  # of the numbers
    inputs: np.ndarray  # [texts, numbers]
    wrong: np.ndarray
    sets: np.ndarray
    family: np.ndarray
    columns: tuple[int, ...] = ()  # the numbers that count
    penalty: float = PENALTIES[0]

    @property
    def weight(self) -> np.ndarray:
        """A large set counts more than a small one, but less than by its texts."""
        _, place, counts = np.unique(self.sets, return_inverse=True, return_counts=True)
        return 1 / np.sqrt(counts[place])

    def fit(self, but: str | None = None) -> Logistic:
        """The estimator, without one of the families; numbers that do not count weigh nothing."""
        of = self.family != but
        columns = list(self.columns)
        found = logistic.fit(self.inputs[of][:, columns], self.wrong[of], self.weight[of], self.penalty)
        weights = np.zeros(len(self.names))
        weights[columns] = found.weights
        return Logistic(found.intercept, weights)

    def left_out(self) -> np.ndarray:
        """Each text's probability by a fit that saw nothing of its family."""
        chances = np.zeros(len(self.wrong))
        for family in np.unique(self.family):
            of = self.family == family
            chances[of] = self.of(family, self.inputs[of])
        return chances

    def of(self, family: str, inputs: np.ndarray) -> np.ndarray:
        """The probabilities of other texts of a family, by a fit that saw nothing of it."""
        return self.fit(family)(inputs)

    def is_enough(self) -> bool:
        """Whether there are several families, and a set that says something."""
        return len(np.unique(self.family)) > 1 and bool(self.by_set(np.zeros(len(self.wrong))))

    def chosen(self) -> Doubts:
        """With the numbers, and the penalty, that tell most on the sets left out."""
        best = replace(self, columns=(self.names.index(FIRST),))
        worth = best.worth()
        while len(best.columns) < MOST_NUMBERS:
            others = [at for at in range(len(self.names)) if at not in best.columns]
            tried = [replace(best, columns=(*best.columns, at)) for at in others]
            gains = [one.worth() for one in tried]
            if max(gains) < worth + WORTH:
                break
            best, worth = tried[int(np.argmax(gains))], max(gains)
        return max((replace(best, penalty=penalty) for penalty in PENALTIES), key=Doubts.worth)

    def worth(self) -> float:
        """The mean AUROC over the sets left out, less once more what any of them loses
        against the margin."""
        by_set = self.by_set(self.left_out()).values()
        return float(np.mean([own - max(0.0, plain - own) for own, plain in by_set]))

    def by_set(self, chances: np.ndarray) -> dict[str, tuple[float, float]]:
        """For each set that says enough: the AUROC of the estimator, and of the margin."""
        margin = -self.inputs[:, self.names.index(FIRST)]
        found = {}
        for name in np.unique(self.sets):
            of = self.sets == name
            wrong = self.wrong[of]
            if min(wrong.sum(), (~wrong).sum()) >= FEWEST:
                found[str(name)] = auroc(chances[of], wrong), auroc(margin[of], wrong)
        return found


def calibration_error(chances: np.ndarray, wrong: np.ndarray) -> float:
    """How far the probabilities are from the share that is wrong, over 15 bins of equal width."""
    bins = np.minimum((chances * ECE_BINS).astype(int), ECE_BINS - 1)
    return float(np.abs(np.bincount(bins, chances - wrong, ECE_BINS)).sum() / len(wrong))


def truth(row: Row) -> str | None:
    """The label of a text, of the four; None where its set does not tell. The terms of an aspect
    set's text may come to one."""
    label = row.fields.get("label3", row.fields.get("label"))
    if "aspects" in row.fields:
        label = overall_label(row.fields["aspects"])
    return label if label in recipe.LABELS and row.set not in OF_TARGETS else None


def family(name: str) -> str:
    return FAMILIES.get(name, name)


def report(doubts: Doubts) -> dict:
    """What the estimator is worth on the sets left out, beside the plain margin."""
    chances = doubts.left_out()
    return {
        "numbers": [doubts.names[at] for at in doubts.columns],
        "auroc": {
            name: {"estimator": round(own, 4), "margin": round(plain, 4)}
            for name, (own, plain) in doubts.by_set(chances).items()
        },
        "ece": round(calibration_error(chances, doubts.wrong), 4),
        "ece_by_set": {
            str(name): round(calibration_error(chances[doubts.sets == name], doubts.wrong[doubts.sets == name]), 4)
            for name in np.unique(doubts.sets)
        },
    }
