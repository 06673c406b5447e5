"""Seeded conversations of many sessions, one memory per turn, and questions about them.

Everything is made here, from a seed: two people, or a person and an assistant, talk over some weeks; what is asked
later was said once. Circularity warning: templates decide what can be found. A class says which difficulty it poses;
figures of different generators cannot be compared.

Question classes:
    - direct: the answering turn shares words with the question;
    - beside: the answering turn shares none, the turn before it asks the thing ("Where to?" - "Lisbon, in May.");
    - identifier: a ticket or booking number;
    - reworded: the question uses other words for the same thing;
    - inflected: other forms of the same words;
    - misspelt: a typing error in the question;
    - topical: the answering turn says the thing, but only its session says of what; another session says the same of
      something else;
    - corrected: said first one way, later another; the later turn answers;
    - dated: said alike in several sessions; the question names the day of one of them;
    - planned: the answer names a day to come, on which others talk of something else; the question names it, too.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.bench.recall.topics import DRAWN, LONG, Topic, small_talk, split

START_US = 1_700_000_000_000_000
SESSION_GAP_US = 3 * 86_400 * 1_000_000
TURN_GAP_US = 40 * 1_000_000

NAMES = ["Alice", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas"]

THEMES = [
    (
        "I am just back from {place}.",
        "The hotel had a pool on the roof.",
        "The hotel had a sauna in the cellar.",
        "What did the hotel in {place} have?",
    ),
    (
        "Let me tell you about the conference in {place}.",
        "The food was cold every single day.",
        "The food was from a famous chef.",
        "How was the food at the conference in {place}?",
    ),
    (
        "We looked at a house in {place}.",
        "The garden is full of apple trees.",
        "The garden is all gravel.",
        "What is in the garden of the house in {place}?",
    ),
    (
        "I have a new job in {place}.",
        "The office is above a fish market.",
        "The office is in a former church.",
        "Where is the office of the job in {place}?",
    ),
]

CORRECTED = [
    (
        "The reading group meets on {day} evenings.",
        "The reading group has moved, it meets on {other_day} evenings now.",
        "On which day does the reading group meet now?",
    ),
    (
        "My new phone number ends with {code}.",
        "I changed my phone number again, it ends with {number} now.",
        "What does the phone number of {second} end with now?",
    ),
]

_LUNCHES = ["lentil soup", "a burger", "sushi", "fried rice", "a salad", "dumplings"]
_LUNCHES += ["a baguette", "tacos", "porridge", "a curry", "pancakes", "grilled trout"]
_SKILLS = ["the splits", "handstands", "yodelling", "juggling", "archery", "calligraphy"]
_SKILLS += ["tap dance", "whistling", "card tricks", "fencing", "origami", "the harp"]

DATED = [
    ("I had {thing} for lunch today.", _LUNCHES, "What did {second} have for lunch on {date}?"),
    ("This morning I practised {thing}.", _SKILLS, "What did {second} practise on {date}?"),
]
ASKED_DAYS = 3

PLANNED = [
    ("The plumber is coming on {date}, at last.", "Who is coming on {date}?"),
    ("They will deliver the sofa on {date}.", "What will be delivered on {date}?"),
]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, which is one memory."""

    id: str
    speaker: str
    text: str
    time_us: int
    session: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question in natural language, and the turns of which one must be recalled."""

    kind: str
    text: str
    answers: frozenset[str]


@dataclass(slots=True)
class Conversation:
    """All sessions of two people.

    `names_sessions`: each memory names its session in its metadata; else only the times tell.
    """

    names_sessions: bool = False
    turns: list[Turn] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def a_conversation(seed: int, *, is_held_out: bool, sessions: int = 20) -> Conversation:
    """Return a conversation of some 300 turns."""
    source = random.Random(seed)
    has_assistant = seed % 2 == 1
    first, second = source.sample(NAMES, 2)
    drawn = {name: source.choice(values) for name, values in DRAWN.items()}
    drawn |= {"first": first, "second": second}
    made = Conversation(names_sessions=seed % 3 == 0)
    topics = split(is_held_out=is_held_out)
    source.shuffle(topics)
    topical = source.sample(range(sessions), 2)
    themes = source.sample(THEMES[int(is_held_out) :: 2], 1)[0]
    before, after, asked = CORRECTED[int(is_held_out)]
    at = sorted(source.sample(range(sessions), 2))
    days = _days(seed, sessions, is_held_out=is_held_out)
    for session in range(sessions):
        time_us = START_US + session * SESSION_GAP_US
        told: list[Topic | None] = [*topics[session::sessions], *([None] * 6)]
        if session == at[0]:
            told.append(Topic("said", before, "I see.", 0, ""))
        if session == at[1]:
            told.append(Topic("corrected", after, "Noted.", 0, asked))
        told += days.get(session, [])
        source.shuffle(told)
        if session in topical:
            told = [*_theme(themes, topical.index(session)), *told]
        for topic in told:
            lines = _lines(topic, source, drawn, has_assistant=has_assistant)
            ids = []
            for place, line in enumerate(lines):
                speaker = (second, first)[place % 2]
                if has_assistant:
                    speaker = ("user", "assistant")[place % 2]
                time_us += TURN_GAP_US
                ids.append(f"s{session}t{len(made.turns)}")
                made.turns.append(Turn(ids[-1], speaker, line, time_us, f"session-{session}"))
            if topic and topic.question:
                text = _asked(topic.question.format(**drawn), drawn, has_assistant=has_assistant)
                made.questions.append(Question(topic.kind, text, frozenset({ids[topic.answer]})))
    return made


def _days(seed: int, sessions: int, *, is_held_out: bool) -> dict[int, list[Topic | None]]:
    """Return what is said in some sessions, and asked for by the days of two of them."""
    source = random.Random(f"days {seed}")
    line, things, question = DATED[int(is_held_out)]
    planned, asked = PLANNED[int(is_held_out)]
    said = sorted(source.sample(range(1, sessions), len(things)))
    wanted, day = source.sample(said, ASKED_DAYS), source.choice(said)
    told: dict[int, list[Topic | None]] = {}
    for session, thing in zip(said, source.sample(things, len(things)), strict=True):
        text = question.replace("{date}", _date(session, source)) if session in wanted else ""
        told[session] = [Topic("dated", line.format(thing=thing), "Nice.", 0, text)]
    line, text = (part.format(date=_date(day, source)) for part in (planned, asked))
    told.setdefault(0, []).append(Topic("planned", line, "Good to know.", 0, text))
    return told


def _date(session: int, source: random.Random) -> str:
    """Return the day of a session as people write it."""
    moment = datetime.fromtimestamp((START_US + session * SESSION_GAP_US) // 1_000_000, UTC)
    form = source.choice(
        ["{month} {day}", "{month} {day}, {year}", "{day} {month}", "the {day}th of {month}"]
    )
    return form.format(day=moment.day, month=f"{moment:%B}", year=moment.year)


def _theme(theme: tuple[str, str, str, str], place: int) -> list[Topic | None]:
    """Return a topic that a session is about: what it is, something else, and what is asked for."""
    what, said, other, asked = theme
    name = ("{city}", "{town}")[place]
    question = asked.format(place=name) if place == 0 else ""
    return [
        Topic("said", what.format(place=name), "Tell me more!", 0, ""),
        None,
        Topic("topical", (said, other)[place], "I see.", 0, question),
    ]


def _lines(
    topic: Topic | None, source: random.Random, drawn: dict[str, str], *, has_assistant: bool
) -> list[str]:
    if topic is not None:
        lines = [topic.line.format(**drawn), topic.reply.format(**drawn)]
    else:
        lines = [small_talk(source), small_talk(source)]
    # An assistant says more than anybody wants to know; the answer of a topic that asks it stays as it is.
    if has_assistant and (topic is None or topic.answer == 0):
        lines[1] += " " + source.choice(LONG)
    return lines


def _asked(question: str, drawn: dict[str, str], *, has_assistant: bool) -> str:
    """Return the question as it is asked of two people, or by the user of an assistant."""
    if not has_assistant:
        return question
    asked = question
    for name, own in ((drawn["second"], ("my", "I")), (drawn["first"], ("your", "you"))):
        asked = asked.replace(f"{name}'s", own[0]).replace(f" of {name}", "")
        for verb, said in (("does", "do"), ("did", "did"), ("Did", "Did")):
            asked = asked.replace(f"{verb} {name}", f"{said} {own[1]}")
        asked = asked.replace(f"Is {name}", f"Am {own[1]}").replace(name, own[1])
    return asked
