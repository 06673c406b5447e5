"""The doctor's last sentence."""

from soma_dev.doctor import IMPOSSIBLE, PRESENT, WORK, Finding, shown, summary


def test_what_is_impossible_is_named() -> None:
    """The one thing that stops everything is not lost among the rest."""
    said = summary([Finding("disk", PRESENT, ""), Finding("cluster", IMPOSSIBLE, "needs root")])

    assert "cannot" in said
    assert "cluster" in said


def test_work_is_added_up() -> None:
    """The time that is told is the time of all that is to do."""
    assert "5 min" in summary([Finding("a", WORK, "", 200), Finding("b", WORK, "", 100)])


def test_nothing_to_do_is_said() -> None:
    """A machine that has everything is told so."""
    assert "everything is there" in summary([Finding("a", PRESENT, "")])


def test_durations_are_for_people() -> None:
    """Seconds while they are few, minutes then."""
    assert [shown(seconds) for seconds in (5, 99, 120, 415)] == ["5 s", "99 s", "2 min", "7 min"]
