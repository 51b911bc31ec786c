"""Owns the text of a model card: every measured figure in it comes from the folder's JSON files."""

from __future__ import annotations

from training import long_text
from training.figures import table

TEMPLATE = """# {name}, version {version}

A sentiment model for English that Undertone ships: one encoder of 22 million parameters
(6 layers, width 384), five heads, one pass. INT8, for ONNX Runtime on a CPU.

| output | shape | reads as |
|---|---|---|
| `sentiment` | [batch, 3] | logits of negative, neutral, positive |
| `sarcasm` | [batch, 1] | logit of "the writer means the opposite" |
| `emotions` | [batch, 28] | one logit per GoEmotions label, several may hold |
| `odds` | [batch, 1] | logit of "the text likes one thing and dislikes another" |
| `aspects` | [batch, sequence, 7] | logits of O and of B/I × negative, neutral, positive per token |

Inputs: `input_ids` and `attention_mask`, int64 [batch, sequence], at most {max_tokens} tokens
with [CLS] and [SEP]. `manifest.json` names the files, their SHA-256 and the labels in
output order. `calibration.json` holds what turns logits into decisions; it was fitted on the
INT8 graph, the temperatures on the dev sets, the estimators of doubt on these and, like the rest,
on {fitted} texts set aside from the training sets before training.

## How it was made

Base: {base_name} ({base_licence}), a BERT without its
token types, which makes it a DistilBERT exactly.{runs}{teacher} The text heads read the mean over all
tokens, the tag head reads each token. All tasks share the encoder; a batch holds one task;
the weights are an exponential moving average. Trained with Hugging Face's Trainer, exported
layer by layer in INT8: weights of 7 bits (−63 to 63) with a scale for each output, activations of 8
bits with a scale for each token, as they come. So a text scores the same whatever it shares a pass with, and
two products added stay within 16 bits, on every processor. The
heads' last layers stay fp32. The commands that make it again are in `training/README.md`.

The tokenizer folds what people write in several ways: case, white space, curly quotes, and one full stop at the
end of a text.

Aspects in `conflict` are left out of training: a term is negative, neutral or positive here.
To read terms from the tags: average the tag probabilities over a word's pieces; a word
belongs to a term where O is below one half, and opens a new one where the word before is
in none or B outweighs I; the polarity is the one with the largest sum over the term.

`mixed` is a label without logits of its own. Its probability comes from the tags and from the
sentiment head: P(mixed) = sigmoid({mixed_intercept} + {mixed_slope} · logit(x) + {mixed_sentiment_slope} · logit(y){mixed_odds}),
x being the smaller of the strongest positive and the strongest negative evidence of any token
(B + I), y the smaller of the negative and the positive probability{mixed_z}. The other three labels share
the rest in the proportions of the sentiment head. The numbers come from texts set aside: the
slopes by logistic regression, texts of the aspect sets with both polarities and written ones that their writers call mixed
against all others but long reviews; the intercept is the highest with which at most 3.3 % of the treebank's sentences are called mixed.

A text of more than {max_tokens} tokens is read in pieces of whole sentences; probabilities and
evidence are the means over its pieces.

## Figures

On the dev sets, one text at a time, through the INT8 graph; in brackets the fp32 graph
before quantisation. No dev text trained. The temperatures, which `ece` and `called_mixed`
depend on, were fitted on the dev sets: here each text is measured with those that the four
folds gave to which it does not belong. Sentiment scores are
restricted to the labels that occur in a set. Sarcasm F1 is of the sarcastic class at 0.5.
Emotion macro-F1 at the tuned thresholds, and at 0.3 for all. Aspect F1 needs exact offsets
and polarity, and a `conflict` term counts as missed. `at_odds_called_mixed`: of the texts
with both polarities, the share whose likeliest label is `mixed`; `called_mixed`: the same of
texts that nobody labelled so. `aspects/orders` are 150 sentences about products, orders and
support, by another hand than those that train. Texts of more than {max_tokens} tokens are cut here.

{table}

Whole reviews, read in pieces as the gateway reads them:

{long_text}

{behaviour}## Decisions

Temperatures: sentiment {t_sentiment}, sarcasm {t_sarcasm}. {routing}

## Training data

Texts that trained it, each set with its licence as its source states it. The weights are
published under Apache-2.0, like the project; what the sets' own terms, or their absence, mean
for your use is yours to judge.

| set | texts | licence |
|---|---|---|
{data}

## Limits

- English only. Reviews, tweets, headlines and comments made it; other registers it reads
  less well than the figures say.
- Sarcasm depends on what the writer knows and the reader doesn't; the figures show how
  often a single text gives it away.
- The aspect sets speak of restaurants, of laptops' parts, and, in a thousand sentences written
  for this model, of orders, delivery, apps and support; other trades it tags less well.
- The labels are crowd workers' judgements, with their biases, and a text about a person or
  a group can be scored by the words that name them. Don't decide about people with it.
- The INT8 graph scales the activations of each token by themselves: a text's scores do not depend on
  what else is read with it. Undertone adds the products exactly on every processor. In ONNX Runtime by
  itself, set `session.x64quantprecision` to 1 where the processor has no VNNI: sums above 16 bits
  would else be cut off there.
"""


def card(manifest: dict, measured: dict, calibration: dict, behaviour: dict | None = None) -> str:
    """The README.md of a model folder. `behaviour` is what `undertone evaluate --suite` printed."""
    temperatures = calibration["temperatures"]
    mixed = calibration["mixed"] or {"intercept": "not fitted", "slope": 0}
    return TEMPLATE.format(
        name=manifest["name"],
        version=manifest["version"],
        max_tokens=manifest["max_tokens"],
        fitted=calibration["fitted_on"]["texts"],
        base_name=manifest["base"]["name"],
        base_licence=manifest["base"]["licence"],
        runs=_runs(manifest["base"]),
        teacher=_teacher(manifest["base"]),
        table=table(measured),
        long_text=long_text.table(measured["long_text"]),
        t_sentiment=temperatures["sentiment"],
        t_sarcasm=temperatures["sarcasm"],
        data="\n".join(
            f"| `{entry['name']}` | {entry['texts']:,} | {entry['licence']} |"
            for entry in manifest["data"]
        ),
        mixed_intercept=mixed["intercept"],
        mixed_slope=mixed["slope"],
        mixed_sentiment_slope=mixed.get("sentiment_slope", 0),
        mixed_odds=f" + {mixed['odds_slope']} · logit(z)" if "odds_slope" in mixed else "",
        mixed_z=", z what the `odds` head says" if "odds_slope" in mixed else "",
        routing=_routing(calibration) + _doubt(calibration),
        behaviour=_behaviour(behaviour) if behaviour else "",
    )


def _behaviour(behaviour: dict) -> str:
    """The suite kind by kind: what the model reads right, and what the cascade keeps."""
    local, cascade = (behaviour["strategies"][name] for name in ("local", "cascade"))

    def row(name: str, own: dict, routed: dict) -> str:
        shares = own["right"], routed["wrong_not_escalated"], routed["escalated"]
        return f"| {name.replace('_', ' ')} | {own['cases']} | " + " | ".join(f"{share:.2f}" for share in shares) + " |"

    rows = [row(name, own, cascade["kinds"][name]) for name, own in local["kinds"].items()]
    worst = sorted(local["kinds"], key=lambda name: local["kinds"][name]["right"])[:WORST]
    sarcasm = cascade["sarcasm"]
    return BEHAVIOUR.format(
        rows="\n".join([*rows, row("**all**", local, cascade)]),
        caught=f"{sarcasm['caught']:.0%}",
        sincere=f"{sarcasm['sincere_right']:.0%}",
        escalated=f"{sarcasm['sincere_escalated']:.0%}",
        worst=", ".join(f"{name.replace('_', ' ')} ({local['kinds'][name]['right']:.2f} right)" for name in worst),
    )


WORST = 12  # kinds that the card names as the model's weak ones
BEHAVIOUR = """## Behaviour, kind by kind

On `tests/behaviour`, cases that were written apart from the training texts: what the model reads right, and what the
cascade, with the thresholds below, leaves wrong without a word, and escalates (shares; `make behaviour` prints them).

**What it is bad at:** {worst}. Of sarcastic texts of customers {caught} are read as negative or escalated; of their sincere
twins, in nearly the same words, {sincere} are read right and {escalated} escalated. Texts in other languages are for an LLM.

| kind | cases | right | wrong and not escalated | escalated |
|---|---|---|---|---|
{rows}

"""


def _doubt(calibration: dict) -> str:
    """What P(the label is wrong) is worth on sets that its fit had not seen, beside the margin."""
    told = calibration["fitted_on"].get("doubt")
    if not told:
        return ""
    rows = [
        f"| `{name}` | {of['estimator']:.3f} | {of['margin']:.3f} | {told['ece_by_set'][name]:.3f} |"
        for name, of in told["auroc"].items()
    ]
    numbers = ", ".join(f"`{name}`" for name in told["numbers"])
    return DOUBT.format(rows="\n".join(rows), numbers=numbers, ece=told["ece"])


DOUBT = """

`ambiguous` weighs {numbers}, chosen for what they tell on sets left out (`training/doubt.py`). How well it tells the
texts that are read wrong from the others, each set by a fit that saw none of its family, beside the plain softmax margin;
its calibration error over all these texts is {ece:.3f}:

| set | AUROC | of the margin | ECE |
|---|---|---|---|
{rows}"""

PLAIN_SIGNALS = {
    "ambiguous": "1 − (first − second calibrated sentiment probability)",
    "sarcasm": "calibrated sarcasm probability",
    "multi_aspect": "the smaller of the strongest positive and the strongest negative evidence of "
    "any token (B + I)",
    "out_of_domain": "1 where the text is not English",
}
ESTIMATED = {
    "ambiguous": "the sentiment is read wrong",
    "sarcasm": "the writer means the opposite",
    "multi_aspect": "the text likes one thing and dislikes another",
    "ambiguous_aspects": "a term is missed, made up or given the wrong polarity",
    "ambiguous_emotions": "the emotion of the highest score is none that a person named",
}


def _routing(calibration: dict) -> str:
    """What escalates a text, and from where on."""
    estimators, thresholds = calibration.get("estimators", {}), calibration["thresholds"]
    rows = [
        f"| `{name}` | "
        + (f"the probability that {ESTIMATED[name]}" if name in estimators else PLAIN_SIGNALS[name])
        + f" | {threshold} |"
        for name, threshold in thresholds.items()
    ]
    said = ESTIMATORS if estimators else "Routing:"
    return "\n".join([said, "", "| reason | signal | threshold |", "|---|---|---|", *rows])


ESTIMATORS = """What escalates a text are
estimates of how likely it needs a better reader, each a logistic regression over numbers of the
one pass: margin and entropy of the verdict, sarcasm, the strongest evidence of the tags, how far
tags and sentiment contradict each other, length, the 28 emotions (`estimators` in
`calibration.json`; `training/deferral.py` defines each number). They were fitted on texts set aside
and on the dev sets, `ambiguous` also on texts that never train (`cascade/`, the dev texts of `domain/`). The first three thresholds are the ones with the best catch, about a common
level, at which a fifth of a mixed traffic (80 % plain, 10 % sarcastic, 10 % with both polarities)
escalates, on texts that the fits had not seen; above those of a task's own doubt lies a fifth of
the texts of that task's sets. `python -m training.routing_figures` measures all of it, cross-fitted."""


def _runs(base: dict) -> str:
    """The model that training went on from, where it did."""
    start = base.get("trained_from")
    if not start:
        return ""
    hyper, finish, share = base["hyper"], base.get("finish"), base.get("blended")
    cut = f", cut after {base['steps']:,} batches of {hyper['batch']}" if "steps" in base else ""
    finished = f", and a last stretch of {finish['epochs']:g} with more of the sets of before" if finish else ""
    blended = f" The weights are {share:.0%} those of that run and the rest its start's." if share else ""
    return f"""
Training went on from {start["name"]} {start["version"]} (graph {start["graph_sha256"][:12]}…) for
{hyper["epochs"]:g} epochs{cut}{finished} (`manifest.json` has all numbers of that run).{blended} Both set the
same texts aside."""


def _teacher(base: dict) -> str:
    """The larger network whose answers softened the labels, where there was one."""
    if "teacher" not in base:
        return ""
    teacher = base["teacher"]
    return f"""
A teacher, the same heads on {teacher["name"]} ({teacher["licence"]}), read the sets of
sentences, sarcasm and aspects and answered {teacher["answers"]:,} of the training texts; there the
targets are {teacher["weight"]:.0%} its probabilities and the rest the labels. The teacher is not shipped."""
