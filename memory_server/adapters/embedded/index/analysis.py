"""Text to words: what the keyword leg compares.

Latin and other scripts with blanks go through tantivy's analyser: lower case, without accents, English endings cut off.
Chinese, Japanese, Korean and Thai put no blanks between words; their runs become overlapping pairs of characters, which
need no dictionary and find any word of two characters or more.

The words of an ASCII text are cut apart here, and looked up one by one: most were met before, and the analyser takes
three times as long for the text. What it would make of the text is the same.
"""

import re
from collections.abc import Sequence

import tantivy

from memory_server.adapters.remembered import Remembered
from memory_server.domain.text import EMPTY_WORDS
from memory_server.kernels.words import cut

_MAX_TOKEN_BYTES = 255
_KEPT_WORDS = 65_536

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)
"""Runs of Thai, Lao, Burmese, Khmer, kana, Han and Hangul."""


def _analyzer(*filters: tantivy.Filter) -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    builder = builder.filter(tantivy.Filter.remove_long(_MAX_TOKEN_BYTES))
    builder = builder.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.ascii_fold())
    for more in filters:
        builder = builder.filter(more)
    return builder.build()


_STEMMER = tantivy.Filter.stemmer("english")
_ANALYZER = _analyzer(_STEMMER)
_SURFACE = _analyzer()
_STOPS = (tantivy.Filter.custom_stopword(sorted(EMPTY_WORDS)),)
_QUESTION_ANALYZER = _analyzer(*_STOPS, _STEMMER)
_QUESTION_SURFACE = _analyzer(*_STOPS)


def _stems(tokens: Sequence[str]) -> list[str]:
    # One word each: each is one to the analyser, too, and short enough.
    return [_ANALYZER.analyze(token)[0] for token in tokens]


_STEMS = Remembered(_stems, most=_KEPT_WORDS, longest=_MAX_TOKEN_BYTES, are_numbers_known=True)


def words_of(text: str) -> list[str]:
    """Return the words of a memory, in their order."""
    if text.isascii():
        return _STEMS.of(cut(text, _MAX_TOKEN_BYTES - 1))
    return _analysed(_ANALYZER, text)


def surfaces_of(text: str) -> list[str]:
    """Return the words of a memory with their endings, one for each of `words_of`."""
    if text.isascii():
        return cut(text.lower(), _MAX_TOKEN_BYTES - 1)
    return _analysed(_SURFACE, text)


def question_words_of(text: str) -> dict[str, str]:
    """Return the words that a query is searched by, each with its ending.

    Those are the words that carry its meaning, or all if none does.
    """
    if text.isascii():
        surfaces = surfaces_of(text)
        meant = [surface for surface in surfaces if surface not in EMPTY_WORDS] or surfaces
        return dict(zip(_STEMS.of(meant), meant, strict=True))
    words = _analysed(_QUESTION_ANALYZER, text)
    if words:
        return dict(zip(words, _analysed(_QUESTION_SURFACE, text), strict=True))
    return dict(zip(words_of(text), surfaces_of(text), strict=True))


def _analysed(analyzer: tantivy.TextAnalyzer, text: str) -> list[str]:
    words: list[str] = analyzer.analyze(_UNSPACED.sub(" ", text))
    for run in _UNSPACED.findall(text):
        words += [run[place : place + 2] for place in range(len(run) - 1)] or [run]
    return words
