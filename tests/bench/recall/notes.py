"""Seeded facts that are noted, changed and linked, and questions that only one of them answers.

Question classes:
    - filtered: the same words under many teams; only the asked team's counts;
    - latest: written over since; the version of now answers;
    - as_of: the version of then answers;
    - important: the same words twice; the more important one comes first;
    - recent: the same words twice; the newer one comes first, where the namespace has a half-life;
    - linked: the answer has none of the words, but is linked with the one that has;
    - no_answer: nobody ever said it; the best that is found scores low.
"""

import random
from dataclasses import dataclass, field
from typing import Any

START_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000

_THINGS = ["server room", "coffee machine", "parking lot", "meeting room", "printer", "reception"]
_THINGS += ["archive", "canteen"]
_WORDS = ["amber", "basalt", "cedar", "delta", "ember", "fjord", "garnet", "heron", "indigo"]
_WORDS += ["jasper", "krill", "lotus"]
_UNSAID = [
    "the name of the ambassador's yacht",
    "how to fold a paper crane",
    "the capital of the moon colony",
    "who won the chess tournament in 1924",
    "the recipe for rocket fuel",
    "why the volcano erupted",
]


@dataclass(frozen=True, slots=True)
class Note:
    """One write; of two with the same id the later one overwrites."""

    id: str
    text: str
    time_us: int
    event_time_us: int
    importance: float = 1.0
    team: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question; `answers` empty: there is none. `first`: it must come first, else among the first few."""

    kind: str
    text: str
    answers: frozenset[str]
    is_first: bool = True
    team: str = ""
    as_of_us: int | None = None
    said: str = ""
    """What the text of the answer contains."""


@dataclass(slots=True)
class Notes:
    """The notes of one namespace."""

    notes: list[Note] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)
    end_us: int = 0


class _Writer:
    """Notes one thing a day."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.made = Notes(end_us=START_US)
        pairs = [f"{a} {b}" for a in _WORDS for b in _WORDS if a != b]
        self._words = iter(self.random.sample(pairs, len(pairs)))

    def word(self) -> str:
        return next(self._words)

    def note(
        self, text: str, id: str = "", *, age_days: int = 0, importance: float = 1.0, team: str = ""
    ) -> str:
        notes = self.made.notes
        time_us = self.made.end_us
        happened_us = time_us - age_days * DAY_US
        notes.append(Note(id or f"n{len(notes)}", text, time_us, happened_us, importance, team))
        self.made.end_us += DAY_US
        return notes[-1].id

    def ask(self, kind: str, text: str, *answers: str, **more: Any) -> None:
        self.made.questions.append(Asked(kind, text, frozenset(answers), **more))


def some_notes(seed: int) -> Notes:
    """Return some 140 notes and two dozen questions."""
    writer = _Writer(seed)
    things = writer.random.sample(_THINGS, 6)
    for thing in things:
        _codes(writer, thing)
    for number, thing in enumerate(things[:3]):
        _keys(writer, thing, f"key-{number}")
        _exits(writer, thing)
    for thing in things[3:]:
        _cleaning(writer, thing)
        _contact(writer, thing)
    for text in writer.random.sample(_UNSAID, 3):
        writer.ask("no_answer", f"Do you know {text}?")
    for _ in range(60):
        text = f"Minutes of the meeting about {writer.random.choice(_WORDS)} {writer.random.choice(_WORDS)}."
        writer.note(text, importance=writer.random.uniform(1, 5))
    return writer.made


def _codes(writer: _Writer, thing: str) -> None:
    by_team = {
        team: writer.note(f"The code of the {thing} is {writer.word()}.", team=team)
        for team in "abcdef"
    }
    team = writer.random.choice("abcdef")
    writer.ask("filtered", f"What is the code of the {thing}?", by_team[team], team=team)


def _keys(writer: _Writer, thing: str, id: str) -> None:
    old, new = writer.word(), writer.word()
    writer.note(f"The key to the {thing} hangs behind the {old} poster.", id)
    then_us = writer.made.end_us - DAY_US // 2
    writer.note(f"The key to the {thing} hangs behind the {new} poster.", id)
    asked = f"Where does the key to the {thing} hang?"
    writer.ask("latest", asked, id, said=new)
    writer.ask("as_of", asked, id, as_of_us=then_us, said=old)


def _exits(writer: _Writer, thing: str) -> None:
    text = f"In case of fire in the {thing} use exit {writer.word()}."
    order = [(False, 1.0), (True, 8.0)]
    writer.random.shuffle(order)
    ids = {
        is_important: writer.note(text, importance=importance) for is_important, importance in order
    }
    writer.ask("important", f"Which exit do we use when there is fire in the {thing}?", ids[True])


def _cleaning(writer: _Writer, thing: str) -> None:
    text = f"The {thing} is cleaned by the {writer.random.choice(_WORDS)} company."
    order = [(False, 200), (True, 0)]
    writer.random.shuffle(order)
    ids = {is_new: writer.note(text, age_days=age) for is_new, age in order}
    writer.ask("recent", f"Who cleans the {thing}?", ids[True])


def _contact(writer: _Writer, thing: str) -> None:
    about = writer.note(f"{writer.word().title()} looks after the {thing}.")
    contact = writer.note(f"Extension {writer.random.randint(100, 999)}, desk {writer.word()}.")
    writer.made.links.append((about, contact))
    asked = f"Where do I reach the one who looks after the {thing}?"
    writer.ask("linked", asked, contact, is_first=False)
