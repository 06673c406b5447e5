"""Words of texts: those of tantivy's analysers, however they are found."""

import string

import tantivy
from hypothesis import example, given
from hypothesis import strategies as st

from memory_server.adapters.embedded.index.analysis import (
    question_words_of,
    surfaces_of,
    words_of,
)
from memory_server.domain.text import EMPTY_WORDS


def an_analyzer(*filters: tantivy.Filter) -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    before = (tantivy.Filter.remove_long(255), tantivy.Filter.lowercase())
    for each in (*before, tantivy.Filter.ascii_fold(), *filters):
        builder = builder.filter(each)
    return builder.build()


STEMMER = tantivy.Filter.stemmer("english")
STOPS = tantivy.Filter.custom_stopword(sorted(EMPTY_WORDS))
STEMS, SURFACES = an_analyzer(STEMMER), an_analyzer()
ASKED_STEMS, ASKED_SURFACES = an_analyzer(STOPS, STEMMER), an_analyzer(STOPS)

ascii_words = st.one_of(
    st.text(string.ascii_letters + string.digits, max_size=12),
    st.sampled_from(["Running", "DOGS", "ponies", "s", "generously", "What", "is", "x" * 254]),
    st.sampled_from(["y" * 255, "z" * 256]),
    st.builds(str.__add__, st.text(string.ascii_lowercase), st.sampled_from(["ing", "ies", "ed"])),
)
ascii_breaks = st.text([chr(c) for c in range(128) if not chr(c).isalnum()], max_size=2)
ascii_texts = st.lists(st.one_of(ascii_words, ascii_breaks), max_size=20).map("".join)
texts = st.one_of(ascii_texts, st.text(st.characters(exclude_categories=["Cs", "Lo"])))


@given(texts)
@example("".join(map(chr, range(128))))
def test_words_are_the_analysers(text: str) -> None:
    """The words of a memory, with and without their endings, are what tantivy makes of the whole text."""
    assert words_of(text) == STEMS.analyze(text)
    assert surfaces_of(text) == SURFACES.analyze(text)


@given(texts)
def test_question_words_are_the_analysers(text: str) -> None:
    """The words of a query are those without the empty ones, or all if no other is left."""
    expected = dict(zip(ASKED_STEMS.analyze(text), ASKED_SURFACES.analyze(text), strict=True))
    everything = dict(zip(STEMS.analyze(text), SURFACES.analyze(text), strict=True))

    assert question_words_of(text) == (expected or everything)
