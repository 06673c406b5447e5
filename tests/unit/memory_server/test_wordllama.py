"""The built-in embedder: the library's own vectors, made in one step less."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import wordllama

from memory_server.adapters.wordllama import INLINE_CHARACTERS, WordLlamaEmbedder

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
    texts = [f"text number {number}" for number in range(50)] + ["x" * (INLINE_CHARACTERS + 1)]
    alone = [(await embedder.embed([text]))[0] for text in texts]
    together = await asyncio.gather(*(embedder.embed([text, text]) for text in texts))

    for one, pair in zip(alone, together, strict=True):
        assert np.array_equal(pair[0], one)
        assert np.array_equal(pair[1], one)
