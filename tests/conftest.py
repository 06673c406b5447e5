"""What every test relies on: the fixtures of `tests/support`, and an environment that tells nothing."""

from hypothesis import settings

from tests.support import environment

environment.scrub()

# A machine that is busy with something else makes no test fail.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

pytest_plugins = ["tests.support.control_plane", "tests.support.cluster"]
