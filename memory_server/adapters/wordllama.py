"""Built-in embedder: static word vectors that the wordllama wheel carries, without any network.

It knows words, not sentences: no word order, no context. It helps recall where query and memory use related words, and
no more; keywords lead (see `domain.ranking`).
"""

import asyncio
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open
from tokenizers import Tokenizer

from memory_server.adapters.remembered import Remembered, filled
from memory_server.domain.text import asked_words
from memory_server.kernels.words import add_up
from memory_server.ports import Vectors

INLINE_CHARACTERS = 32_768
"""Up to this many characters (about 3 ms) are embedded on the event loop: a thread would cost as much again."""

INLINE_UNKNOWN = 4096
"""The same for the characters of words that were not met lately (about 1 ms): those go to the tokenizer."""

MOST_KEPT = 65_536
LONGEST_KEPT = 32
"""Words whose tokens are kept, some 15 MiB in all, and the longest of them. Half of them are young: enough that the
words of a large store push none out that is met again."""


_WEIGHTS, _TABLE = "l2_supercat_256.safetensors", "embedding.weight"
_TOKENIZER = "l2_supercat_tokenizer_config.json"
"""What the wheel carries. It is read without the package's own code, which brings an HTTP client along for downloads
and takes a tenth of the time of a start."""


def _folder() -> Path:
    found = find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("wordllama", name="wordllama")
    return Path(found.submodule_search_locations[0])


class WordLlamaEmbedder:
    """Embeds texts with the weights in the wordllama wheel.

    Args:
        dimensions: 64, 128 or 256; the vectors are nested, so fewer means the first ones.
    """

    def __init__(self, dimensions: int) -> None:
        # A pool of threads for texts of 50 µs costs more than it saves, and takes the cores from everybody else.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        folder = _folder()
        with safe_open(folder / "weights" / _WEIGHTS, framework="np") as weights:
            table = weights.get_slice(_TABLE)[:, :dimensions]
        self._tokens = _Tokens(Tokenizer.from_file(str(folder / "tokenizers" / _TOKENIZER)))
        self.dimensions = dimensions
        self.model = f"wordllama-{dimensions}"
        self.words = WordLlamaWords(np.ascontiguousarray(table, np.float32), self._tokens)

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        """See the port."""
        if for_query:
            # The mean of word vectors has no grammar: "which" and "did" would only pull it to other questions.
            texts = [asked_words(text) for text in texts]
        # The model is a table of word vectors, and their mean is the embedding. The library's own `embed` pads every
        # text of a batch to the longest, and takes twice the time for one.
        # A text without any known word has no direction: all zeros, which means no embedding.
        if sum(map(len, texts)) > INLINE_CHARACTERS:
            return await asyncio.to_thread(self.words.of, texts)
        looked_up = self._tokens.look_up(texts)
        if looked_up.missing and sum(map(len, looked_up.missing)) > INLINE_UNKNOWN:
            return await asyncio.to_thread(self.words.of_tokens, looked_up)
        return self.words.of_tokens(looked_up)


class WordLlamaWords:
    """The vectors of single words, of the same weights."""

    def __init__(self, table: Vectors, tokens: "_Tokens") -> None:
        self._table = table
        self._tokens = tokens
        self.dimensions = table.shape[1]

    def of(self, words: Sequence[str]) -> Vectors:
        """See the port."""
        return self.of_tokens(self._tokens.look_up(words))

    def of_tokens(self, looked_up: "_LookedUp") -> Vectors:
        """Return the vectors of texts that were looked up."""
        vectors = np.empty((len(looked_up.words), self.dimensions), np.float32)
        # The sum: the mean points the same way. A text without any token is all zeros.
        add_up(self._table, self._tokens.of(looked_up), vectors)
        return vectors


class _LookedUp(NamedTuple):
    """The words of some texts, the tokens of each as far as they are known, and the others."""

    words: list[list[str]]
    known: list[list[bytes | None]]
    missing: set[str]


class _Tokens:
    """The tokens of texts, as the tokenizer has them, put together from those of words that were met before.

    The tokenizer puts a blank before the text and joins characters to the tokens it knows. None of those goes on with a
    blank after another character (`test_no_token_spans_words`), so that words never share one: the tokens of a text
    are those of its words in a row, and looking words up takes a tenth of the time. Blanks that stand together or at
    an end, and characters that mean something else to the tokenizer, make the whole text one word.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._remembered = Remembered(self._ask, most=MOST_KEPT, longest=LONGEST_KEPT)

    def look_up(self, texts: Sequence[str]) -> _LookedUp:
        """Return what is known of texts without asking the tokenizer."""
        split = [_words(text) for text in texts]
        known: list[list[bytes | None]] = []
        unknown: set[str] = set()
        for words in split:
            tokens, missing = self._remembered.known(words)
            known.append(tokens)
            if missing:
                unknown |= missing
        return _LookedUp(split, known, unknown)

    def of(self, looked_up: _LookedUp) -> list[list[bytes]]:
        """Return the tokens of each text, word by word: their numbers, 32 bits each."""
        split, known, unknown = looked_up
        if not unknown:
            return known  # type: ignore[return-value] # none of them is None
        learnt = self._remembered.learn(unknown)
        return [
            filled(words, tokens, learnt) if None in tokens else tokens  # type: ignore[misc]
            for words, tokens in zip(split, known, strict=True)
        ]

    def _ask(self, words: Sequence[str]) -> list[bytes]:
        encoded = self._tokenizer.encode_batch_fast(list(words), add_special_tokens=False)
        return [np.array(tokens.ids, np.int32).tobytes() for tokens in encoded]


def _words(text: str) -> list[str]:
    """Return the parts of a text that have tokens of their own."""
    words = text.split(" ")
    return [text] if "" in words or "<" in text or "\u2581" in text else words
