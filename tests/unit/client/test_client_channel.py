"""What both clients share about the connection."""

import time

from somamemory.channel import new_request_id


def test_request_ids_are_new_and_begin_with_the_time() -> None:
    """Those of a later millisecond sort after those of an earlier one: a server keeps them side by side."""
    made = [new_request_id() for _ in range(1000)]
    time.sleep(0.002)
    later = [new_request_id() for _ in range(1000)]

    assert len({*made, *later}) == 2000
    assert max(made) < min(later)
    assert {len(each) for each in made} == {32}
