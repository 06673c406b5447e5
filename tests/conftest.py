"""What every test relies on: the fixtures of `tests/support`, and an environment that tells nothing."""

import pytest
from hypothesis import settings

from hatch_build import stale
from tests.support import environment

environment.scrub()

if found := stale():
    names = ", ".join(path.name for path in found)
    raise pytest.UsageError(f"not compiled from the present sources: {names}; run `make setup`")

# A machine that is busy with something else makes no test fail.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

pytest_plugins = ["tests.support.control_plane", "tests.support.cluster"]
