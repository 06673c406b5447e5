"""The process that makes released volumes available again: emptied, and with no memory of their claim.

Run as `python -m soma_dev.cluster.native.volumes NAME IDENTITY`.
"""

import http.client
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from soma_dev.api_server import Endpoint
from soma_dev.cluster.native import addons
from soma_dev.cluster.native.layout import Layout

COLLECTION = "/api/v1/persistentvolumes"
SELECTOR = f"labelSelector={quote(addons.VOLUME_LABEL)}"
WATCH_S = 300
PAUSE_S = 1.0


def main(arguments: list[str]) -> None:
    """Watch the volumes until killed."""
    name, identity = arguments
    node = Layout(name, identity)
    access = json.loads((node.pki / "volumes.kubeconfig").read_text())
    server = access["clusters"][0]["cluster"]["server"].removeprefix("https://")
    host, _, port = server.partition(":")
    endpoint = Endpoint(host, int(port), node.pki / "ca.crt", access["users"][0]["user"]["token"])
    while True:
        try:
            for volume in _released(endpoint):
                renew(endpoint, node.volumes, volume["metadata"])
        except (OSError, http.client.HTTPException, ValueError) as error:
            print(f"the watch ended: {error}", file=sys.stderr, flush=True)
        time.sleep(PAUSE_S)


def renew(endpoint: Endpoint, folder: Path, metadata: dict[str, Any]) -> None:
    """Remove a released volume, empty its folder, and offer it anew.

    The order matters: while the volume exists as released nobody can claim it, and a new one is offered
    only when the folder is empty.
    """
    home = folder / metadata["labels"][addons.VOLUME_LABEL]
    for entry in home.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    # Owner and mode go back too: the last pod's fsGroup is none of the next one's business.
    shutil.rmtree(home)
    home.mkdir()
    precondition = {"preconditions": {"uid": metadata["uid"]}}
    endpoint.send("DELETE", f"{COLLECTION}/{metadata['name']}", precondition)
    endpoint.send("POST", COLLECTION, addons.volume(home))


def _released(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    """Give each volume that is or becomes released, until the watch ends."""
    listed = endpoint.read(f"{COLLECTION}?{SELECTOR}")
    yield from filter(_is_released, listed["items"])
    since = listed["metadata"]["resourceVersion"]
    query = f"{SELECTOR}&watch=1&timeoutSeconds={WATCH_S}&resourceVersion={since}"
    for event in endpoint.watch(f"{COLLECTION}?{query}", timeout_s=WATCH_S + 10):
        if event["type"] == "ERROR":
            return
        if event["type"] != "DELETED" and _is_released(event["object"]):
            yield event["object"]


def _is_released(volume: dict[str, Any]) -> bool:
    gone = "deletionTimestamp" in volume["metadata"]
    return volume.get("status", {}).get("phase") == "Released" and not gone


if __name__ == "__main__":
    main(sys.argv[1:])
