"""How often Python looks for cycles."""

import subprocess
import sys

PROGRAM = """
import gc
import weakref

from soma_common import collector


class Knot:
    def __init__(self):
        self.itself = self


def knots(count):
    return [weakref.ref(Knot()) for _ in range(count)]


collector.look_not_at_all()
early = knots(2000)
assert all(each() for each in early), "nothing is looked for while a start goes on"
collector.look_seldom()
late = knots(4 * collector.THRESHOLDS[0])
assert not late[0](), "what came later is looked for"
assert sum(each() is not None for each in late) <= collector.THRESHOLDS[0]
assert all(each() for each in early), "what a start left is never looked at"
"""


def test_cycles_are_found_after_the_start_only() -> None:
    """In a process of its own: the collector is one for all of it."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
