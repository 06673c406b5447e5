"""Built-in embedder: static word vectors that the wordllama wheel carries, without any network.

It knows words, not sentences: no word order, no context. It helps recall where query and memory use related words, and
no more; keywords lead (see `domain.ranking`).
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wordllama

from memory_server.domain.text import asked_words
from memory_server.ports import Vectors

INLINE_CHARACTERS = 4096
"""Up to this many characters (about 0.5 ms) are embedded on the event loop: a thread would cost as much again."""


class WordLlamaEmbedder:
    """Embeds texts with the weights in the wordllama wheel.

    Args:
        dimensions: 64, 128 or 256; the vectors are nested, so fewer means the first ones.
    """

    def __init__(self, dimensions: int) -> None:
        # A pool of threads for texts of 50 µs costs more than it saves, and takes the cores from everybody else.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # The default loader looks for the tokenizer on the network although the wheel has it.
        folder = Path(wordllama.__file__).parent
        model: Any = wordllama.WordLlama.load(
            cache_dir=folder, disable_download=True, trunc_dim=dimensions
        )
        self._table: Vectors = model.embedding
        self._tokenizer: Any = model.tokenizer
        self._tokenizer.no_padding()
        self.dimensions = dimensions
        self.model = f"wordllama-{dimensions}"
        self.words = WordLlamaWords(self._table, self._tokenizer)
        self._waiting: list[tuple[Sequence[str], asyncio.Future[Vectors]]] = []

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        """See the port. Short texts of concurrent callers are embedded together."""
        if for_query:
            # The mean of word vectors has no grammar: "which" and "did" would only pull it to other questions.
            texts = [asked_words(text) for text in texts]
        if sum(map(len, texts)) > INLINE_CHARACTERS:
            return await asyncio.to_thread(self._embed, texts)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # In the next turn of the loop, when everybody who is ready now has brought their texts: one call for many
            # costs half as much a text.
            loop.call_soon(self._embed_waiting)
        future: asyncio.Future[Vectors] = loop.create_future()
        self._waiting.append((texts, future))
        return await future

    def _embed_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        vectors = self._embed([text for texts, _ in waiting for text in texts])
        start = 0
        for texts, future in waiting:
            end = start + len(texts)
            if not future.done():
                future.set_result(vectors[start:end])
            start = end

    def _embed(self, texts: Sequence[str]) -> Vectors:
        # The model is a table of word vectors, and their mean is the embedding. The library's own `embed` pads every
        # text of a batch to the longest, and takes twice the time for one.
        # A text without any known word has no direction: all zeros, which means no embedding.
        return self.words.of(texts)


class WordLlamaWords:
    """The vectors of single words, of the same weights."""

    def __init__(self, table: Vectors, tokenizer: Any) -> None:
        self._table = table
        self._tokenizer = tokenizer
        self.dimensions = table.shape[1]

    def of(self, words: Sequence[str]) -> Vectors:
        """See the port."""
        vectors = np.zeros((len(words), self.dimensions), np.float32)
        encoded = self._tokenizer.encode_batch_fast(list(words), add_special_tokens=False)
        for row, word in zip(vectors, encoded, strict=True):
            # The sum: the mean points the same way. A text without any token stays all zeros.
            np.add.reduce(self._table.take(word.ids, axis=0), axis=0, out=row)
        return _unit(vectors)


def _unit(vectors: Vectors) -> Vectors:
    """Bring vectors to unit length, in their place; those of all zeros stay."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[lengths == 0] = 1.0
    vectors /= lengths[:, None]
    return vectors
