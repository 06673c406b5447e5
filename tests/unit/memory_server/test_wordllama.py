"""The built-in embedder: the library's own vectors, made in one step less."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wordllama
from hypothesis import given
from hypothesis import strategies as st

from memory_server.adapters import wordllama as adapter
from memory_server.adapters.wordllama import INLINE_CHARACTERS, INLINE_UNKNOWN, WordLlamaEmbedder

TEXTS = [
    "green tea in the morning",
    "",
    "日本語のテキスト",
    "a",
    "word " * 3000,
    "\u0000",
    "naïve café 🙂",
]


@pytest.mark.parametrize("dimensions", [64, 128, 256])
async def test_embeddings_are_the_librarys(dimensions: int) -> None:
    """Each text alone gives what wordllama gives, normalised; a text without words gives zeros."""
    library = wordllama.WordLlama.load(
        cache_dir=Path(wordllama.__file__).parent, disable_download=True, trunc_dim=dimensions
    )
    vectors = await WordLlamaEmbedder(dimensions).embed(TEXTS)

    for text, vector in zip(TEXTS, vectors, strict=True):
        expected = library.embed([text])[0]
        length = np.linalg.norm(expected)
        unit = expected / length if length else np.zeros(dimensions, np.float32)
        assert vector == pytest.approx(unit, abs=1e-6)


async def test_texts_of_concurrent_callers_do_not_mix() -> None:
    """Embedded together or one by one, inline or in a thread: the same vectors."""
    embedder = WordLlamaEmbedder(64)
    texts = [f"text number {number}" for number in range(50)]
    texts += ["x" * (INLINE_UNKNOWN + 1), "y" * (INLINE_CHARACTERS + 1)]
    alone = [(await embedder.embed([text]))[0] for text in texts]
    together = await asyncio.gather(*(embedder.embed([text, text]) for text in texts))

    for one, pair in zip(alone, together, strict=True):
        assert np.array_equal(pair[0], one)
        assert np.array_equal(pair[1], one)


def _tokenizer() -> Any:
    folder = Path(wordllama.__file__).parent
    model: Any = wordllama.WordLlama.load(cache_dir=folder, disable_download=True, trunc_dim=64)
    model.tokenizer.no_padding()
    return model.tokenizer


TOKENIZER = _tokenizer()
TOKENS = adapter._Tokens(TOKENIZER)


def test_no_token_spans_words() -> None:
    """What tokens of texts are put together by: none goes on with a blank after another character."""
    vocabulary = json.loads(TOKENIZER.to_str())["model"]["vocab"]

    assert len(vocabulary) == 32_000
    assert not [token for token in vocabulary if "\u2581" in token.lstrip("\u2581")]


PIECES = [
    "green",
    "tea",
    " ",
    "  ",
    "\u2581",
    "<s>",
    "</s>",
    "<",
    "unk>",
    "\n",
    "\u00e9",
    "\u65e5\u672c",
    ".",
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=12).map("".join))
def test_tokens_are_the_tokenizers(text: str) -> None:
    """Put together from the tokens of its words, a text has those that the tokenizer gives for the whole of it."""
    expected = TOKENIZER.encode(text, add_special_tokens=False).ids
    for _ in range(2):  # the second time all its words are known
        (tokens,) = TOKENS.of(TOKENS.look_up([text]))

        assert np.frombuffer(b"".join(tokens), np.int32).tolist() == expected
