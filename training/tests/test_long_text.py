"""Long text is cut as the gateway cuts it: whole sentences, about the same length, nothing lost."""

from __future__ import annotations

from conftest import Chain

from training.long_text import pieces
from training.reader import MAX_TOKENS, Reader


def test_a_long_text_is_cut_at_sentence_ends_into_even_pieces(finished: Chain) -> None:
    reader = Reader(finished.model / "model.onnx", finished.model / "tokenizer.json")
    text = "The hinge broke on the second day. " * 30
    found = pieces(reader, text, MAX_TOKENS)
    assert "".join(found) == text
    assert all(piece.startswith("The ") for piece in found)
    lengths = [len(reader.whole.encode(piece).ids) for piece in found]
    # The gateway's test has the same text: `windows.rs`. The last full stop of a piece is folded away.
    assert lengths == [91, 91, 91]
    short = "It works. " * 20
    assert len(reader.whole.encode(short).ids) <= MAX_TOKENS
    assert pieces(reader, short, MAX_TOKENS) == [short]
    endless = "word " * 300
    assert "".join(pieces(reader, endless, MAX_TOKENS)) == endless
