"""What every test relies on: the fixtures of `tests/support`, and an environment that tells nothing."""

from pathlib import Path

import pytest
from hypothesis import settings

from hatch_build import stale
from tests.support import environment

TESTS = Path(__file__).parent

environment.scrub()

if found := stale():
    names = ", ".join(path.name for path in found)
    raise pytest.UsageError(f"not compiled from the present sources: {names}; run `make setup`")

# A machine that is busy with something else makes no test fail.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests together that share what takes long to make, where several processes run the tests.

    Those of a file share its servers; those on real pods share the one cluster of this machine.
    """
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        group = folder if folder == "e2e" else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


pytest_plugins = ["tests.support.control_plane", "tests.support.cluster"]
