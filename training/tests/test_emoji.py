"""Emoji have places of their own, stand apart from words, and begin as the words of their names."""

from __future__ import annotations

import torch

from training.emoji import characters


def test_every_emoji_is_a_token_of_its_own(converted) -> None:
    _, tokenizer = converted
    for char in characters():
        assert tokenizer.encode(f"great{char}{char} day").tokens[1:-1] == [
            "great", char, char, "day",
        ]  # fmt: skip


def test_selectors_joiners_and_tones_lose_no_offset(converted) -> None:
    _, tokenizer = converted
    encoding = tokenizer.encode("so good ❤️!! 🤷🏽‍♀️ ok")
    assert encoding.tokens[1:-1] == ["so", "good", "❤", "!", "!", "🤷", "🏽", "♀", "ok"]
    assert encoding.offsets[3] == (8, 9)
    assert encoding.offsets[-2] == (19, 21)


def test_words_keep_their_places(converted) -> None:
    _, tokenizer = converted
    assert tokenizer.token_to_id("[CLS]") == 101
    assert tokenizer.token_to_id("great") == 2307
    assert len(set(tokenizer.get_vocab().values())) == tokenizer.get_vocab_size() <= 30522


def test_an_emoji_begins_near_the_words_of_its_name(converted) -> None:
    model, tokenizer = converted
    words = model.encoder.embeddings.word_embeddings.weight
    for char, word in (("😂", "joy"), ("❤", "heart"), ("😡", "pouting")):
        of_char, of_word = (
            words[tokenizer.encode(text, add_special_tokens=False).ids].mean(0)
            for text in (char, word)
        )
        assert torch.cosine_similarity(of_char, of_word, dim=0) > 0.5, char
        assert 0.5 < of_char.norm() / words.norm(dim=1).mean() < 1.5
