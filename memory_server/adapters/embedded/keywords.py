"""Keywords of one partition: tantivy, with the fresh tail scanned exactly.

Theory of operation:
    A new memory's words go into the tail, a small inverted list in this process: it is found at once. When the tail is
    long enough, it is frozen and written to tantivy in a thread, while a new tail takes what comes; then the frozen one
    is dropped. A query asks tantivy and both tails.

Rules:
    1. One memory is in exactly one of: tail, frozen tail, tantivy.
    2. What is removed may stay in tantivy until the next flush; the caller's `is_allowed` hides it.
    3. The tails score like tantivy: BM25 with its constants, document frequencies of all parts together.
    4. A partition has an index of its own, so that no tenant's words weigh in another's scores.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable

import tantivy

from memory_server.domain.ranking import BM25_B, BM25_K1, attainable_bm25, length_correction

FLUSH_AT = 512
"""Length of the tail at which it is flushed, which takes about 15 ms of a thread, also while more is coming."""

FLUSH_QUIET_AT = 32
"""Length at which it is flushed when nothing has come since the last look: every recall scans the tail in Python, and
from some dozens of memories on that takes longer than asking tantivy. Below, a flush costs more than it saves."""

LENGTH_MARGIN = 2
"""tantivy gives so many times the hits that are wanted, because the gentler length normalisation moves them."""

_WRITER_HEAP_BYTES = 15_000_000
"""tantivy's least."""

_MAX_TOKEN_BYTES = 255

IsAllowed = Callable[[int], bool]

QUESTION_WORDS = (
    *(
        "am",
        "been",
        "did",
        "do",
        "does",
        "doing",
        "had",
        "has",
        "have",
        "having",
        "how",
        "i",
        "me",
        "my",
    ),
    *("what", "when", "where", "which", "who", "whom", "whose", "why", "would", "you", "your"),
)
"""What a question is made of, beside the usual stop words. It says nothing about the answer, and in a small namespace
it is rare enough to count."""


def _analyzer(*filters: tantivy.Filter) -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    builder = builder.filter(tantivy.Filter.remove_long(_MAX_TOKEN_BYTES))
    builder = builder.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.ascii_fold())
    for more in filters:
        builder = builder.filter(more)
    return builder.filter(tantivy.Filter.stemmer("english")).build()


_ANALYZER = _analyzer()
_QUESTION_ANALYZER = _analyzer(
    tantivy.Filter.stopword("english"),
    tantivy.Filter.custom_stopword(list(QUESTION_WORDS)),
)


def words_of(text: str) -> list[str]:
    """Return the words of a memory: lower case, without accents, English endings cut off."""
    words: list[str] = _ANALYZER.analyze(text)
    return words


def question_words_of(text: str) -> list[str]:
    """Return the words that a query is searched by: those that carry its meaning, or all if none does."""
    words: list[str] = _QUESTION_ANALYZER.analyze(text)
    return words or words_of(text)


class Tail:
    """An inverted list of a few memories."""

    def __init__(self) -> None:
        self.words: dict[int, Counter[str]] = {}
        self._postings: dict[str, dict[int, int]] = {}

    def add(self, seq: int, words: list[str]) -> None:
        """Take a memory in."""
        counts = Counter(words)
        self.words[seq] = counts
        for word, count in counts.items():
            self._postings.setdefault(word, {})[seq] = count

    def remove(self, seq: int) -> bool:
        """Drop a memory; return whether it was here."""
        counts = self.words.pop(seq, None)
        if counts is None:
            return False
        for word in counts:
            postings = self._postings[word]
            del postings[seq]
            if not postings:
                del self._postings[word]
        return True

    def document_frequency(self, word: str) -> int:
        """Return how many memories have the word."""
        return len(self._postings.get(word, ()))

    def scores(
        self, idfs: dict[str, float], lengths: "Lengths", is_allowed: IsAllowed
    ) -> dict[int, float]:
        """Return the BM25 score of every allowed memory that has one of the words."""
        matches = [(idf, self._postings.get(word, {})) for word, idf in idfs.items()]
        found = {seq for _, postings in matches for seq in postings if is_allowed(seq)}
        norms = {
            seq: BM25_K1 * (1 - BM25_B + BM25_B * relative)
            for seq, relative in lengths.relative(found).items()
        }
        scores = dict.fromkeys(found, 0.0)
        for idf, postings in matches:
            for seq, count in postings.items():
                if seq in scores:
                    scores[seq] += idf * count * (BM25_K1 + 1) / (count + norms[seq])
        return scores


class Lengths:
    """How long the memories of a partition are, in words."""

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}
        self._total = 0

    def add(self, seq: int, length: int) -> None:
        """Take a memory in."""
        self._lengths[seq] = length
        self._total += length

    def remove(self, seq: int) -> None:
        """Drop a memory."""
        self._total -= self._lengths.pop(seq)

    def relative(self, seqs: Iterable[int]) -> dict[int, float]:
        """Return the lengths of memories as multiples of the mean."""
        scale = len(self._lengths) / (self._total or 1)
        lengths = self._lengths
        return {seq: lengths[seq] * scale for seq in seqs}


class KeywordIndex:
    """The words of one partition's memories."""

    def __init__(self) -> None:
        self._tail = Tail()
        self._frozen = Tail()
        self._flushed: tantivy.Index | None = None
        self._removed: list[int] = []
        self._lengths = Lengths()
        self._fresh_at_last_look = 0

    @property
    def tail_size(self) -> int:
        """Number of memories that are scanned exactly."""
        return len(self._tail.words) + len(self._frozen.words)

    def wants_flush(self) -> bool:
        """Tell whether a flush is worth it; to be asked now and then, because it looks for a pause."""
        fresh = max(len(self._tail.words), len(self._removed))
        is_quiet = fresh == self._fresh_at_last_look
        self._fresh_at_last_look = fresh
        return fresh >= FLUSH_AT or (is_quiet and fresh >= FLUSH_QUIET_AT)

    def add(self, seq: int, text: str) -> None:
        """Take a memory in; it is found from now on."""
        words = words_of(text)
        self._tail.add(seq, words)
        self._lengths.add(seq, len(words))

    def remove(self, seq: int) -> None:
        """Drop a memory."""
        self._lengths.remove(seq)
        if not self._tail.remove(seq):
            # Rule 2; of a frozen memory the copy that is on its way to tantivy, too.
            self._frozen.remove(seq)
            self._removed.append(seq)

    def search(self, text: str, is_allowed: IsAllowed, limit: int) -> list[tuple[int, float]]:
        """Return at least the best `limit` (seq, share of the attainable score) with any word of `text`."""
        idfs = self._idfs(question_words_of(text))
        attainable = attainable_bm25(list(idfs.values()))
        if not attainable:
            return []
        scores = self._flushed_scores(list(idfs), is_allowed, LENGTH_MARGIN * limit)
        scores |= self._tail.scores(idfs, self._lengths, is_allowed)
        scores |= self._frozen.scores(idfs, self._lengths, is_allowed)
        relative = self._lengths.relative(scores)
        gentle = [
            (score * length_correction(relative[seq]) / attainable, seq)
            for seq, score in scores.items()
        ]
        return [(seq, min(score, 1.0)) for score, seq in heapq.nlargest(limit, gentle)]

    def freeze(self) -> Callable[[], "tantivy.Index"]:
        """Begin a flush; return the work to do in a thread, whose result goes to `thaw`. One at a time."""
        self._frozen, self._tail = self._tail, Tail()
        # The thread gets copies: the loop goes on removing from the tails meanwhile.
        frozen = dict(self._frozen.words)
        removed, self._removed = self._removed, []
        index = self._flushed
        return lambda: _flush(index, frozen, removed)

    def thaw(self, flushed: "tantivy.Index") -> None:
        """End a flush."""
        self._flushed = flushed
        self._frozen = Tail()

    def _idfs(self, words: Iterable[str]) -> dict[str, float]:
        """Return the IDF of each word that occurs; one that occurs nowhere says nothing."""
        searcher = self._flushed.searcher() if self._flushed else None
        total = self.tail_size + (searcher.num_docs if searcher else 0)
        idfs = {}
        for word in dict.fromkeys(words):
            frequency = self._tail.document_frequency(word) + self._frozen.document_frequency(word)
            if searcher:
                frequency += searcher.doc_freq("words", word)
            if frequency:
                # Removed memories still count in tantivy until the next flush: never below zero.
                rare = max(total - frequency, 0) + 0.5
                idfs[word] = math.log(1 + rare / (frequency + 0.5))
        return idfs

    def _flushed_scores(
        self, words: list[str], is_allowed: IsAllowed, limit: int
    ) -> dict[int, float]:
        """Ask tantivy for more and more until enough of its hits are allowed, or there are no more."""
        if self._flushed is None:
            return {}
        searcher = self._flushed.searcher()
        query = _any_of(words)
        wanted = limit + len(self._removed)
        while True:
            hits = searcher.search(query, wanted, count=False).hits
            addresses = [address for _, address in hits]
            seqs: list[int] = searcher.fast_field_values("seq", addresses)  # type: ignore[assignment] # every one has it
            scores = {
                seq: score for seq, (score, _) in zip(seqs, hits, strict=True) if is_allowed(seq)
            }
            if len(hits) < wanted or len(scores) >= limit:
                return scores
            wanted *= 4


def _schema() -> "tantivy.Schema":
    builder = tantivy.SchemaBuilder()
    # Signed: a term made of a Python int is, and one of another type would match, and delete, nothing.
    builder.add_integer_field("seq", indexed=True, fast=True)
    # Words come analysed, joined by blanks: tail and index see the same ones.
    builder.add_text_field("words", tokenizer_name="blanks", index_option="freq")
    return builder.build()


_SCHEMA = _schema()
_BLANKS = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()


def _new_index() -> "tantivy.Index":
    index = tantivy.Index(_SCHEMA)
    index.register_tokenizer("blanks", _BLANKS)
    return index


def _any_of(words: list[str]) -> "tantivy.Query":
    terms = [
        (tantivy.Occur.Should, tantivy.Query.term_query(_SCHEMA, "words", word, "freq"))
        for word in words
    ]
    return tantivy.Query.boolean_query(terms)


def _flush(
    index: "tantivy.Index | None", frozen: dict[int, Counter[str]], removed: list[int]
) -> "tantivy.Index":
    target = _new_index() if index is None else index
    writer = target.writer(heap_size=_WRITER_HEAP_BYTES, num_threads=1)
    for seq in removed:
        writer.delete_documents_by_term("seq", seq)
    for seq, counts in frozen.items():
        document = tantivy.Document()
        document.add_integer("seq", seq)
        document.add_text("words", " ".join(counts.elements()))
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    target.reload()
    return target
