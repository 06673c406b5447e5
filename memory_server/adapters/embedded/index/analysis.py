"""Text to words: what the keyword leg compares.

Latin and other scripts with blanks go through tantivy's analyser: lower case, without accents, English endings cut off.
Chinese, Japanese, Korean and Thai put no blanks between words; their runs become overlapping pairs of characters, which
need no dictionary and find any word of two characters or more.

The words of an ASCII text are cut apart here, and looked up one by one: most were met before, and the analyser takes
three times as long for the text. What it would make of the text is the same.
"""

import re
from functools import lru_cache

import tantivy

from memory_server.domain.text import EMPTY_WORDS

_MAX_TOKEN_BYTES = 255
_KEPT_WORDS = 32_768

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


def words_of(text: str) -> list[str]:
    """Return the words of a memory, in their order."""
    if text.isascii():
        return list(map(_stem, _tokens(text)))
    return _analysed(_ANALYZER, text)


def surfaces_of(text: str) -> list[str]:
    """Return the words of a memory with their endings, one for each of `words_of`."""
    if text.isascii():
        return _tokens(text.lower())
    return _analysed(_SURFACE, text)


_BREAKS = str.maketrans({chr(c): " " for c in range(128) if not chr(c).isalnum()})


def _tokens(text: str) -> list[str]:
    """Return the words of an ASCII text as they stand there, without those that are too long."""
    tokens = text.translate(_BREAKS).split()
    if len(text) < _MAX_TOKEN_BYTES:
        return tokens
    return [token for token in tokens if len(token) < _MAX_TOKEN_BYTES]


@lru_cache(_KEPT_WORDS)
def _stem(token: str) -> str:
    words: list[str] = _ANALYZER.analyze(token)
    return words[0]


def question_words_of(text: str) -> dict[str, str]:
    """Return the words that a query is searched by, each with its ending.

    Those are the words that carry its meaning, or all if none does.
    """
    if text.isascii():
        surfaces = _tokens(text.lower())
        meant = [surface for surface in surfaces if surface not in EMPTY_WORDS] or surfaces
        return {_stem(surface): surface for surface in meant}
    words = _analysed(_QUESTION_ANALYZER, text)
    if words:
        return dict(zip(words, _analysed(_QUESTION_SURFACE, text), strict=True))
    return dict(zip(words_of(text), surfaces_of(text), strict=True))


def _analysed(analyzer: tantivy.TextAnalyzer, text: str) -> list[str]:
    words: list[str] = analyzer.analyze(_UNSPACED.sub(" ", text))
    for run in _UNSPACED.findall(text):
        words += [run[place : place + 2] for place in range(len(run) - 1)] or [run]
    return words
