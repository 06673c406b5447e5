"""Whose turn it is among keys whose time has come.

Rule 1: namespaces take turns: one that has a thousand keys to run delays another one's single key by one run a worker.
Rule 2: within a namespace, keys with news of the user and all others take turns: neither a wave of new resources nor
        the stir of those that run already holds up the other. To look at the latter is cheap and done often: they have
        several turns for each one of the former.
Rule 3: among those, first come, first served.
"""

from dataclasses import dataclass, field

from soma_operator.core.observed import ObjectKey

TURNS_OF_THE_REST = 4
"""For each turn of a key with news: making a resource takes that many times the requests of looking at it."""


@dataclass(slots=True)
class _Lanes:
    """Waiting keys of one namespace, each in the order of coming."""

    news: dict[ObjectKey, None] = field(default_factory=dict)
    rest: dict[ObjectKey, None] = field(default_factory=dict)
    left_to_rest: int = 0
    """Turns of the rest before the next one of a key with news."""

    def take(self) -> ObjectKey:
        first, second = (self.rest, self.news) if self.left_to_rest else (self.news, self.rest)
        lane = first or second
        self.left_to_rest = (
            TURNS_OF_THE_REST if lane is self.news else max(self.left_to_rest - 1, 0)
        )
        key = next(iter(lane))
        del lane[key]
        return key

    def __bool__(self) -> bool:
        return bool(self.news or self.rest)


@dataclass(slots=True)
class Turns:
    """Keys that wait for their turn; each waits once."""

    _lanes: dict[str, _Lanes] = field(default_factory=dict)
    """By namespace, in the order of their next turns."""

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, key: ObjectKey, *, is_news: bool) -> None:
        """Let a key wait; one that waits already keeps its place, unless news give it a better one."""
        lanes = self._lanes.setdefault(key.namespace, _Lanes())
        if is_news:
            lanes.rest.pop(key, None)
            lanes.news.setdefault(key)
        elif key not in lanes.news:
            lanes.rest.setdefault(key)

    def take(self) -> ObjectKey:
        """Return the key whose turn it is, and let it wait no longer.

        Raises:
            StopIteration: None waits.
        """
        namespace = next(iter(self._lanes))
        lanes = self._lanes.pop(namespace)
        key = lanes.take()
        if lanes:
            self._lanes[namespace] = lanes
        return key
