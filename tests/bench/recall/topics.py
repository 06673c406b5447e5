"""What is said and asked in the seeded conversations: exchanges of two turns, and a question about one of them.

Each topic names the difficulty that it poses, its two lines, which of them answers, and the question. Words in braces
are drawn anew for each conversation. The topics of tuning and of held-out conversations are disjoint, see `split`: what
was tuned on the words of some topics is reported on the words of others.
"""

# ruff: noqa: E501 - a table is read by its rows

import random
from dataclasses import dataclass

DRAWN: dict[str, list[str]] = {
    "city": ["Lisbon", "Oslo", "Kyoto", "Quito", "Tallinn", "Marrakesh", "Hobart", "Gdansk"],
    "town": ["Bergen", "Porto", "Leeds", "Graz", "Turku", "Cork", "Ghent", "Split"],
    "dish": ["lasagna", "pierogi", "bibimbap", "moussaka", "ceviche", "goulash", "paella"],
    "pet": ["kitten", "puppy", "parrot", "tortoise", "hamster", "rabbit"],
    "job": ["carpenter", "nurse", "geologist", "translator", "pilot", "baker", "librarian"],
    "tool": ["telescope", "ukulele", "kayak", "typewriter", "loom", "drone", "sextant"],
    "gift": ["watch", "backpack", "necklace", "bicycle", "camera", "teapot"],
    "ill": ["peanuts", "shellfish", "pollen", "penicillin", "gluten"],
    "month": ["January", "March", "May", "August", "October"],
    "day": ["Monday", "Tuesday", "Wednesday", "Friday"],
    "other_day": ["Thursday", "Saturday", "Sunday"],
    "name": ["Marta", "Viktor", "Nadia", "Oscar", "Selma", "Tomas"],
    "number": ["3", "7", "12", "19", "24", "38"],
    "ticket": ["A4821-17", "B9034-52", "C1177-08", "D5560-91", "E7319-33"],
    "code": ["4417", "9052", "3386", "7710"],
}


@dataclass(frozen=True, slots=True)
class Topic:
    """Two turns, the first by the second person, the second by the first; `answer` is the place of the one asked for."""

    kind: str
    line: str
    reply: str
    answer: int
    question: str


def _topics(kind: str, answer: int, *rows: tuple[str, str, str]) -> list[Topic]:
    return [Topic(kind, line, reply, answer, question) for line, reply, question in rows]


TOPICS = [
    *_topics(
        "direct",
        0,
        ("I signed up for a {tool} class, it starts in {month}.", "Oh nice, enjoy it!", "When does the {tool} class of {second} start?"),
        ("My sister works as a {job} in {city} now.", "Wow, that is a change.", "Where does {second}'s sister work as a {job}?"),
        ("I can not eat that, I am allergic to {ill}.", "Good to know, I will remember.", "What is {second} allergic to?"),
        ("We painted the kitchen green over the weekend.", "Send me a picture!", "What colour did {second} paint the kitchen?"),
        ("My train to {town} leaves at seven on {day}.", "Then go to bed early.", "When does the train to {town} leave?"),
        ("I finally finished the {tool} that I was building for {name}.", "That took you long.", "For whom did {second} build the {tool}?"),
        ("The marathon in {city} was my first one, I needed five hours.", "Still amazing.", "How long did the marathon in {city} take {second}?"),
        ("I planted tomatoes and basil on the balcony.", "Mine always die.", "What did {second} plant on the balcony?"),
    ),
    *_topics(
        "beside",
        1,
        ("Where are you going for your holiday this summer?", "{city}, for ten days!", "Where did {first} want to go on holiday in summer?"),
        ("What did your parents give you for your birthday?", "A {gift}, can you imagine?", "What did {first} get from the parents for the birthday?"),
        ("How many people came to the wedding in the end?", "Just {number}, it was lovely.", "How many guests were at the wedding?"),
        ("And what will you cook for the dinner party on Saturday?", "My grandmother's {dish}.", "What did {first} plan to cook for the dinner party?"),
        ("Who is going to look after your plants while you are away?", "{name} promised to come by.", "Who takes care of the plants of {first}?"),
        ("Which instrument did you play at school?", "The oboe, and badly.", "What instrument did {first} play at school?"),
        ("When is your driving test?", "On {day}, wish me luck.", "On which day is the driving test of {first}?"),
        ("What is the new neighbour's name?", "{name}, I think.", "What is the name of the new neighbour?"),
    ),
    *_topics(
        "identifier",
        0,
        ("The repair is booked, the reference is {ticket}.", "Keep it safe.", "What was {ticket} about?"),
        ("Error {code} came up again when I opened the ledger.", "Restart it.", "What happened with error {code}?"),
        ("My locker at the pool is number {code}.", "Do not tell everybody.", "Which locker number does {second} have?"),
        ("They gave me order {ticket} for the sofa.", "At last.", "What did {second} order with {ticket}?"),
    ),
    *_topics(
        "reworded",
        0,
        ("We adopted a {pet} from the shelter last Sunday.", "How cute!", "Which animal does {second} have at home?"),
        ("I quit smoking two months ago and feel great.", "Respect!", "When did {second} give up cigarettes?"),
        ("The doctor says my knee needs surgery.", "I am so sorry.", "What operation does {second} need?"),
        ("Our flat in {town} is finally sold.", "Congratulations!", "What happened to the apartment of {second}?"),
        ("I bought a used car from a colleague.", "Does it run?", "Which vehicle did {second} purchase?"),
        ("My boss gave me a raise yesterday.", "You deserve it.", "Did the salary of {second} increase?"),
        ("I broke up with {name} after four years.", "Oh no.", "How did the relationship of {second} end?"),
        ("We are expecting a baby in {month}.", "What wonderful news!", "When is the child of {second} due?"),
        ("I watched a great film about whales with the kids.", "I love those.", "Which movie did {second} see with the children?"),
        ("My flight was cancelled, so I slept in the airport.", "How awful.", "Why did {second} have to spend the night at the terminal?"),
        ("I have been jogging along the river every morning.", "I should too.", "How does {second} exercise?"),
        ("My dad retired last spring and took up painting.", "Good for him.", "What hobby does the father of {second} have?"),
        ("I got fired from the bakery on {day}.", "That is unfair.", "How did {second} lose the job?"),
        ("I am learning to cook Thai food from videos.", "Invite me!", "Which cuisine does {second} want to master?"),
        ("I have a terrible headache since this morning.", "Drink some water.", "What pain did {second} complain about?"),
        ("The landlord wants more money from next year on.", "Can he do that?", "Is the rent of {second} going up?"),
        ("I returned the shoes because they were too small.", "Of course.", "Why did {second} send the footwear back?"),
        ("I volunteer at a soup kitchen on weekends.", "That is kind.", "What charity work does {second} do?"),
        ("My laptop was stolen from the train.", "Call the police!", "Which computer did {second} lose to a thief?"),
        ("I passed the bar exam, I can hardly believe it.", "I knew it!", "Is {second} a lawyer now?"),
    ),
    *_topics(
        "inflected",
        0,
        ("We went hiking in the mountains near {town}.", "Lucky you.", "Where did {second} hike?"),
        ("The photographs of the ceremony arrived today.", "Show me!", "Did {second} get the ceremony photograph?"),
        ("I have been swimming in the lake each evening.", "Is it cold?", "Where does {second} swim?"),
        ("The children decorated the whole staircase.", "Sweet.", "Who did the staircase decoration for {second}?"),
    ),
    *_topics(
        "misspelt",
        0,
        ("I ordered a new mattress for the guest room.", "Good idea.", "What about the matress of {second}?"),
        ("The orchestra rehearses in the old brewery.", "Acoustics?", "Where does the orchstra rehearse?"),
        ("I lost my passport somewhere in {city}.", "Oh dear.", "What happened to the pasport of {second}?"),
        ("The gardener cut the hedge far too short.", "It grows back.", "What did the gardner do?"),
    ),
]  # fmt: skip


def split(*, is_held_out: bool) -> list[Topic]:
    """Return the topics for tuning, or those for reporting: every other one of each kind."""
    chosen: list[Topic] = []
    for kind in dict.fromkeys(topic.kind for topic in TOPICS):
        chosen += [t for t in TOPICS if t.kind == kind][int(is_held_out) :: 2]
    return chosen


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
    "My cousin's dog ate half of the birthday cake.",
    "The doctor's waiting room was full again, so I left.",
    "I saw a movie poster with that actor you like.",
    "Somebody parked a huge vehicle in front of our door.",
    "The kids next door play football in the hall.",
    "I need a holiday, but work does not let me.",
    "The apartment above ours is being renovated.",
    "I cooked far too much food again on Sunday.",
    "The computer at work needed an hour to start.",
    "I bought bread, milk and a magazine on the way.",
    "My father called to talk about the election.",
    "The animal shelter had an open day, we just passed by.",
    "There was an exercise class in the park this morning.",
    "Our boss talked about salaries, but said nothing new.",
]

_WHO = ["My cousin", "Our neighbour", "A friend of mine", "My old teacher", "Somebody at work", "My uncle", "The postman",
        "Our landlady", "My brother", "The lady downstairs", "A former classmate", "My hairdresser"]  # fmt: skip
_DID = ["told me about", "complained about", "showed me", "wrote a song about", "lost", "found", "forgot", "sold", "bought",
        "repaired", "dreamt of", "could not stop talking about"]  # fmt: skip
_WHAT = ["an old bicycle", "the election", "a broken heater", "the school play", "a box of records", "the new tram line",
         "a holiday in the mountains", "a strange dream", "the price of bread", "a football match", "some vegetables",
         "a letter from the bank", "the noise at night", "a documentary", "two umbrellas", "the doctor's bill",
         "a cat on the roof", "a blue jacket", "the museum shop", "a recipe for soup"]  # fmt: skip
_WHEN = ["yesterday", "this morning", "last week", "again", "on the bus", "at lunch", "for hours", "without any reason",
         "before breakfast", "while it rained"]  # fmt: skip


def small_talk(source: random.Random) -> str:
    """Return a line that says nothing that is asked for, and rarely the same twice."""
    if source.random() < 0.3:
        return source.choice(CHAT)
    return " ".join(source.choice(words) for words in (_WHO, _DID, _WHAT, _WHEN)) + "."


LONG = [
    (
        "That is a great question! There are many things to consider here. First of all it helps to write "
        "down what matters most to you, then to compare the options by price, by time and by how much energy "
        "they take. If you like, I can make a list with the advantages of each, and we can go through it step"
        " by step until you feel sure about it."
    ),
    (
        "Here are some ideas that people often find useful: start small, keep a regular time of the day, tell"
        " a friend about it, and reward yourself when a week went well. It is normal that some days do not "
        "work out; what counts is that you return to it. Would you like a plan for the first two weeks with "
        "small steps for every day?"
    ),
    (
        "Thank you for sharing that with me. It sounds like a lot is going on at the moment, at work as well "
        "as at home with the family. Maybe a walk, a good meal or a film in the evening helps to relax. If it"
        " goes on, talking to a doctor or somebody you trust may be a good idea. I am happy to help you to "
        "prepare for such a conversation."
    ),
    (
        "Sure! A trip like that takes some preparation: check the passport, the insurance and the money, book"
        " the flight and the hotel early, and think of the weather at that time of the year. In the city "
        "itself, public transport is usually cheaper than a car. Do you want me to suggest museums, "
        "restaurants or day trips in the area?"
    ),
]
