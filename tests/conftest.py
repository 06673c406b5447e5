"""What every test relies on: the fixtures of `tests/support`, and an environment that tells nothing."""

from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from hatch_build import stale
from tests.support import environment

REAL_PODS = "tests/e2e"

environment.scrub()

if found := stale():
    names = ", ".join(path.name for path in found)
    raise pytest.UsageError(f"not compiled from the present sources: {names}; run `make setup`")

# A machine that is busy with something else makes no test fail.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


class TogetherByFile(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Gives tests of one file to one process: they share servers that take long to start.

    Those on real pods go together, too: they share the one cluster of this machine, and stop its operator.
    """

    def _split_scope(self, nodeid: str) -> str:
        return REAL_PODS if is_on_real_pods(nodeid) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherByFile:
    """Say who runs which test, where several processes do."""
    return TogetherByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest and cannot be divided; the order is left to chance otherwise."""
    items.sort(key=lambda item: not is_on_real_pods(item.nodeid))


def is_on_real_pods(nodeid: str) -> bool:
    """Return whether a test needs the cluster."""
    return nodeid.startswith(f"{REAL_PODS}/")


pytest_plugins = ["tests.support.control_plane", "tests.support.cluster"]
