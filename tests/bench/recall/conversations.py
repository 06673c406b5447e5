"""Seeded conversations of many sessions, one memory per turn, and questions about them.

Everything is made here, from a seed: two people talk over some weeks; what is asked later was said once, in one of
several ways. Circularity warning: templates decide what can be found. A class says which difficulty it poses;
figures of different generators cannot be compared.

Question classes:
    - direct: the answering turn shares words with the question;
    - beside: the answering turn shares none, the turn before it asks the thing ("Where to?" - "Lisbon, in May.");
    - identifier: a ticket or booking number;
    - reworded: the question uses other words for the same thing;
    - corrected: said first one way, later another; the later turn answers.
"""

import random
from dataclasses import dataclass, field

SESSION_GAP_US = 3 * 86_400 * 1_000_000
TURN_GAP_US = 40 * 1_000_000

NAMES = ["Alice", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas"]
CITIES = ["Lisbon", "Oslo", "Kyoto", "Quito", "Tallinn", "Marrakesh", "Hobart", "Gdansk"]
DISHES = ["lasagna", "pierogi", "bibimbap", "moussaka", "ceviche", "goulash", "shakshuka", "paella"]
PETS = ["kitten", "puppy", "parrot", "tortoise", "hamster", "gecko"]
JOBS = ["carpenter", "nurse", "geologist", "translator", "pilot", "baker", "welder", "librarian"]
TOOLS = ["telescope", "ukulele", "kayak", "typewriter", "loom", "pottery wheel", "drone", "sextant"]
ILLS = ["peanuts", "shellfish", "pollen", "penicillin", "cat hair", "gluten"]
CHAT = [
    "Hey, how was your week so far?",
    "Busy as always, but I can not complain.",
    "The weather has been awful lately, do you not think so?",
    "I watched that series everybody talks about and fell asleep.",
    "Haha, that sounds just like you!",
    "Anyway, it is good to hear from you again.",
    "My neighbour has been drilling since six in the morning.",
    "I should really go to bed earlier these days.",
    "Traffic was terrible today, it took me two hours.",
    "Let us catch up again soon, I have to run now.",
    "Did you read the news about the bridge?",
    "I tried that new coffee place at the corner, it is fine.",
    "Sorry, I missed your call, the phone was on silent.",
    "Thanks for asking, that is very kind of you.",
    "What a day, nothing worked as planned.",
    "You will not believe what happened in the office.",
]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, which is one memory."""

    id: str
    speaker: str
    text: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question in natural language, and the turns of which one must be recalled."""

    kind: str
    text: str
    answers: frozenset[str]


@dataclass(slots=True)
class Conversation:
    """All sessions of two people."""

    turns: list[Turn] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Lines of a topic, spoken in turn; `answer` is the place of the one that answers."""

    kind: str
    lines: tuple[str, ...]
    answer: int
    question: str


def a_conversation(seed: int, sessions: int = 18) -> Conversation:
    """Return a conversation of some 300 turns."""
    source = random.Random(seed)
    first, second = source.sample(NAMES, 2)
    exchanges = _exchanges(source, first, second)
    source.shuffle(exchanges)
    made = Conversation()
    pending = _split(exchanges, sessions)
    for session in range(sessions):
        time_us = 1_700_000_000_000_000 + session * SESSION_GAP_US
        topics: list[_Exchange | None] = [*pending[session], *([None] * 5)]
        source.shuffle(topics)
        for topic in topics:
            lines = topic.lines if topic else tuple(source.sample(CHAT, 2))
            ids = []
            for place, line in enumerate(lines):
                speaker = (second, first)[place % 2]
                time_us += TURN_GAP_US
                ids.append(f"s{session}t{len(made.turns)}")
                made.turns.append(Turn(ids[-1], speaker, line, time_us))
            if topic and topic.question:
                answers = frozenset({ids[topic.answer]})
                made.questions.append(Question(topic.kind, topic.question, answers))
    return made


def _split(exchanges: list[_Exchange], sessions: int) -> list[list[_Exchange]]:
    """Deal the exchanges out in order, so that a correction never comes before what it corrects."""
    order = {id(exchange): place for place, exchange in enumerate(exchanges)}
    ordered = sorted(
        exchanges, key=lambda exchange: (exchange.kind == "corrected", order[id(exchange)])
    )
    size = -(-len(ordered) // sessions)
    return [ordered[size * place : size * (place + 1)] for place in range(sessions)]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is true of the two people."""

    first: str
    second: str
    city: str
    city_before: str
    dish: str
    pet: str
    job: str
    ill: str
    tool: str
    other_tool: str
    ticket: str
    month: str
    number: int


def _facts(source: random.Random, first: str, second: str) -> _Facts:
    city, city_before = source.sample(CITIES, 2)
    tool, other_tool = source.sample(TOOLS, 2)
    return _Facts(
        first=first,
        second=second,
        city=city,
        city_before=city_before,
        dish=source.choice(DISHES),
        pet=source.choice(PETS),
        job=source.choice(JOBS),
        ill=source.choice(ILLS),
        tool=tool,
        other_tool=other_tool,
        ticket=f"{source.choice('ABCDE')}{source.randint(1000, 9999)}-{source.randint(10, 99)}",
        month=source.choice(["January", "March", "May", "August", "October"]),
        number=source.randint(3, 40),
    )


def _exchanges(source: random.Random, first: str, second: str) -> list[_Exchange]:
    facts = _facts(source, first, second)
    classes = {
        "direct": _direct(facts),
        "beside": _beside(facts),
        "identifier": _identifier(facts),
        "reworded": _reworded(facts),
        "corrected": _corrected(),
    }
    made = [
        _Exchange(kind, (line, reply), answer, question)
        for kind, topics in classes.items()
        for line, reply, answer, question in topics
    ]
    before = ("The reading group meets on Tuesday evenings.", "I might come along.")
    return [*made, _Exchange("said", before, 0, "")]


_Topic = tuple[str, str, int, str]
"""Two lines, the place of the one that answers, and the question."""


def _direct(of: _Facts) -> list[_Topic]:
    return [
        (
            f"I signed up for a {of.tool} class, it starts in {of.month}.",
            "Oh nice, enjoy it!",
            0,
            f"When does the {of.tool} class of {of.second} start?",
        ),
        (
            f"My sister works as a {of.job} in {of.city_before} now.",
            "Wow, that is a change.",
            0,
            f"Where does {of.second}'s sister work as a {of.job}?",
        ),
        (
            f"I can not eat that, I am allergic to {of.ill}.",
            "Good to know, I will remember.",
            0,
            f"What is {of.second} allergic to?",
        ),
    ]


def _beside(of: _Facts) -> list[_Topic]:
    return [
        (
            f"{of.first}, where are you going for your holiday this summer?",
            f"{of.city}, for ten days!",
            1,
            f"Where did {of.first} want to go on holiday in summer?",
        ),
        (
            "What did your parents give you for your birthday?",
            f"A {of.other_tool}, can you imagine?",
            1,
            f"What did {of.first} get from the parents for the birthday?",
        ),
        (
            "How many people came to the wedding in the end?",
            f"Just {of.number}, it was lovely.",
            1,
            "How many guests were at the wedding?",
        ),
        (
            "And what will you cook for the dinner party on Saturday?",
            f"My grandmother's {of.dish}.",
            1,
            f"What did {of.first} plan to cook for the dinner party?",
        ),
    ]


def _identifier(of: _Facts) -> list[_Topic]:
    error = f"{of.number}{of.number}7"
    return [
        (
            f"The repair is booked, the reference is {of.ticket}.",
            "Keep it safe.",
            0,
            f"What was {of.ticket} about?",
        ),
        (
            f"Error {error} came up again when I opened the ledger.",
            "Restart it.",
            0,
            f"What happened with error {error}?",
        ),
    ]


def _reworded(of: _Facts) -> list[_Topic]:
    return [
        (
            f"We adopted a {of.pet} from the shelter last Sunday.",
            "How cute!",
            0,
            f"Which animal does {of.second} have at home?",
        ),
        (
            "I quit smoking two months ago and feel great.",
            "Respect!",
            0,
            f"When did {of.second} give up cigarettes?",
        ),
        (
            "The doctor says my knee needs surgery.",
            "I am so sorry.",
            0,
            f"What operation does {of.second} need?",
        ),
        (
            f"Our flat in {of.city_before} is finally sold.",
            "Congratulations!",
            0,
            f"What happened to the apartment of {of.second}?",
        ),
    ]


def _corrected() -> list[_Topic]:
    return [
        (
            "The reading group has moved, it meets on Thursday evenings now.",
            "Noted.",
            0,
            "On which day does the reading group meet now?",
        )
    ]
