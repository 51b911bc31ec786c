"""Owns the form in which the network reads a text: what people write in several ways without
meaning anything by it, it is shown in one. The tokenizer does it, so that the gateway, which
loads the same `tokenizer.json`, reads just so, and offsets still refer to the text as it came.

Case and white space the base folds already. Curly quotes become straight ones, and one full stop
at the end goes: half of what is typed into a form has none.
"""

from __future__ import annotations

import json

from tokenizers import Regex, Tokenizer, normalizers

QUOTES = [("[\u201c\u201d\u201e\u00ab\u00bb]", '"'), ("[\u2018\u2019\u201a\u00b4`]", "'")]
# An ellipsis says something, and so does a mark before the stop.
LAST_STOP = r"(?<=[^.!?\s])\s*\.\s*\z"


def canonical(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, with what it folds; one that folds it already as it is."""
    if json.loads(tokenizer.to_str())["normalizer"]["type"] != "Sequence":
        folds = [normalizers.Replace(Regex(pattern), said) for pattern, said in QUOTES]
        folds.append(normalizers.Replace(Regex(LAST_STOP), ""))
        tokenizer.normalizer = normalizers.Sequence([*folds, tokenizer.normalizer])
    return tokenizer
