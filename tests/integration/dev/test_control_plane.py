"""The control plane that tests share."""

import json
import os
from pathlib import Path

from soma_dev import processes
from soma_dev.api_server import Endpoint
from soma_dev.control_plane import control_plane


def test_it_serves_writes_its_log_and_leaves_nothing(tmp_path: Path) -> None:
    """It answers its administrator only, logs what is asked, and ends with its context."""
    with control_plane(tmp_path, controllers=()) as running:
        host, _, port = running.base_url.removeprefix("https://").partition(":")
        admin = Endpoint(host, int(port), running.ca_file, running.token)
        stranger = Endpoint(host, int(port), running.ca_file, "wrong")

        namespaces = admin.read("/api/v1/namespaces")["items"]

        assert "kube-system" in {one["metadata"]["name"] for one in namespaces}
        assert not stranger.answers("/api/v1/namespaces")
        entries = [json.loads(line) for line in running.audit_log.read_text().splitlines()]
        assert any(entry["user"]["username"] == "admin" for entry in entries)

    assert not admin.answers("/readyz")
    assert processes.with_environment("HOME", str(tmp_path)) == []


def test_two_of_them_do_not_meet(tmp_path: Path) -> None:
    """Each has ports and keys of its own."""
    first_home, second_home = tmp_path / "a", tmp_path / "b"
    for home in (first_home, second_home):
        os.mkdir(home)
    with (
        control_plane(first_home, controllers=()) as first,
        control_plane(second_home, controllers=()) as second,
    ):
        assert first.base_url != second.base_url
        assert first.token != second.token
