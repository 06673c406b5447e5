"""How the process starts, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from soma_dev.control_plane import control_plane
from soma_operator.core.kinds import LEASE
from soma_operator.health import Health, serve
from soma_operator.metrics import Metrics
from tests.support.kube_api import KubeApi, eventually
from tests.support.operator_rooms import an_operator
from tests.support.server_process import HOST


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": "0"}, ["workers", "greater than or equal to 1"]),
        ({"kubeconfig": "/nowhere/config"}, ["no kubeconfig", "/nowhere/config"]),
    ],
    ids=["bad setting", "no way in"],
)
def test_a_start_that_cannot_succeed_says_why(settings: dict[str, str], words: list[str]) -> None:
    """One line that names the mend, exit code 2, and no trace of the program's inside."""
    environment = {f"SOMA_OPERATOR_{name.upper()}": value for name, value in settings.items()}

    ended = subprocess.run(
        [sys.executable, "-m", "soma_operator"],
        env={"PATH": os.environ["PATH"], "HOME": str(Path("/nowhere")), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 2
    assert [word for word in words if word not in ended.stderr] == []
    assert "Traceback" not in ended.stderr


async def test_pages_tell_what_is_wrong() -> None:
    """A check that finds something makes its page 503, with the reason; readiness includes liveness."""
    health = Health(alive={"watches": lambda: "dead"}, ready={"started": lambda: None})

    async with serve(health, Metrics(), host=HOST, port=0) as port, aiohttp.ClientSession() as web:
        answers = {}
        for page in ("livez", "readyz", "metrics"):
            async with web.get(f"http://{HOST}:{port}/{page}") as answer:
                answers[page] = (answer.status, await answer.text())

    assert answers["livez"] == (503, "watches: dead\n")
    assert answers["readyz"] == (503, "started: ok\nwatches: dead\n")
    assert answers["metrics"][0] == 200


def test_without_its_kind_the_operator_waits(tmp_path: Path) -> None:
    """Started before the CRD, the process lives, is not ready, takes no Lease, and ends in order."""
    with control_plane(tmp_path, controllers=()) as bare:
        api = KubeApi(bare, bare.token)
        with an_operator(bare.kubeconfig, tmp_path, namespace="default") as operator:
            eventually(lambda: operator.log("waiting for the CRD") or None)

            assert operator.page("/livez")[0] == 200
            assert operator.page("/readyz") == (503, READY_PAGE)
            assert api.find(LEASE, "default") == []
            assert operator.stop() == 0


READY_PAGE = "crd: the CRD is not served yet\nresync: ok\nstarted: ok\nwatches: ok\n"
