"""Events: told once, when the state changes."""

from soma_operator.core.events import Reporter, event_manifest, transitions
from soma_operator.core.status import status_of
from tests.support.somamemories import (
    a_pod,
    a_somamemory,
    observed_of,
    rendered,
    settled,
    situation_of,
    waiting,
)

REPORTER = Reporter("memory.soma.sh/soma-operator", "pod-1")


def test_a_state_that_lasts_is_told_once() -> None:
    """The same verdict again is no event, even with other counters."""
    first = observed_of(children=rendered())
    status = status_of(situation_of(first))
    second = observed_of(a_somamemory(status=status), children=rendered(), later_s=60)

    assert [event.reason for event in transitions(status, first)] == ["Progressing"]
    assert transitions(status_of(situation_of(second)), second) == ()


def test_work_under_way_is_told_once() -> None:
    """That its end is unknown at first, and known to be away later, makes no second event."""
    first = observed_of(children=settled())
    status = status_of(situation_of(first))
    [ready] = [one for one in status["conditions"] if one["type"] == "Ready"]
    unknown = {**ready, "status": "Unknown", "reason": "Progressing"}
    seen = observed_of(a_somamemory(status={**status, "conditions": [unknown]}))

    def told(result: str, reason: str) -> list[str]:
        later = {**ready, "status": result, "reason": reason}
        return [one.reason for one in transitions({**status, "conditions": [later]}, seen)]

    assert told("False", "Progressing") == []
    assert told("True", "Ready") == ["Ready"]


def test_success_is_normal_and_trouble_a_warning() -> None:
    """The type of the Event tells whether somebody should look."""
    ready = observed_of(children=settled())
    pull = a_pod(container=waiting("ErrImagePull", "not found"))
    broken = observed_of(children=rendered(), pods=[pull])

    types = [transitions(status_of(situation_of(one)), one)[0].type for one in (ready, broken)]

    assert types == ["Normal", "Warning"]


def test_giving_up_is_an_event_of_its_own() -> None:
    """When the deadline passes, the same reason is told again, with what it means."""
    pull = a_pod(container=waiting("ErrImagePull", "not found"))
    first = status_of(situation_of(observed_of(children=rendered(), pods=[pull])))
    late = observed_of(a_somamemory(status=first), children=rendered(), pods=[pull], later_s=700)

    events = transitions(status_of(situation_of(late)), late)

    assert [event.reason for event in events] == ["ImageNotAvailable"]
    assert events[0].note.endswith("(given up until something changes)")


def test_the_same_occurrence_has_the_same_name() -> None:
    """Told twice, after a crash between telling and remembering, it is one object."""
    observed = observed_of(children=settled())
    event = transitions(status_of(situation_of(observed)), observed)[0]
    other = observed_of(a_somamemory("other"), children=settled(a_somamemory("other")))

    names = [
        event_manifest(each, seen, REPORTER)["metadata"]["name"]
        for each, seen in ((event, observed), (event, observed), (event, other))
    ]

    assert names[0] == names[1] != names[2]


def test_a_note_fits_whatever_it_is_written_in() -> None:
    """The API server counts bytes: a note in any script is cut between two characters, at 1024 of them."""
    pull = a_pod(container=waiting("ErrImagePull", "記憶體不足" * 300))
    observed = observed_of(children=rendered(), pods=[pull])

    note = transitions(status_of(situation_of(observed)), observed)[0].note

    assert 1000 < len(note.encode()) <= 1024
    assert "記憶體不足" in note
