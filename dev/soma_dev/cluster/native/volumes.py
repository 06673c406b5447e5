"""The process that makes released volumes available again: emptied, and with no memory of their claim.

Run as `python -m soma_dev.cluster.native.volumes NAME IDENTITY`.
"""

import http.client
import json
import shutil
import sys
import time
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
            _follow(endpoint, node.volumes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            print(f"the watch ended: {error}", file=sys.stderr, flush=True)
        time.sleep(PAUSE_S)


def offer(endpoint: Endpoint, folder: Path) -> None:
    """Empty the folder of a volume that does not exist, and make the volume.

    While there is no volume nobody can claim it, so nobody sees it half empty. The folder itself is made anew:
    the group and the mode that the last pod gave it are none of the next one's business.
    """
    shutil.rmtree(folder)
    folder.mkdir()
    endpoint.send("POST", COLLECTION, addons.volume(folder))


def _follow(endpoint: Endpoint, volumes: Path) -> None:
    """Bring the volumes in order, and then after each of their events, until the watch ends."""
    listed = endpoint.read(f"{COLLECTION}?{SELECTOR}")
    present = {volume["metadata"]["name"] for volume in listed["items"]}
    for folder in volumes.iterdir():
        if addons.volume_name(folder) not in present:
            offer(endpoint, folder)
    for volume in listed["items"]:
        _withdraw_released(endpoint, volume)
    since = listed["metadata"]["resourceVersion"]
    query = f"{SELECTOR}&watch=1&timeoutSeconds={WATCH_S}&resourceVersion={since}"
    for event in endpoint.watch(f"{COLLECTION}?{query}", timeout_s=WATCH_S + 10):
        if event["type"] == "ERROR":
            return
        if event["type"] == "DELETED":
            offer(endpoint, volumes / event["object"]["metadata"]["labels"][addons.VOLUME_LABEL])
        else:
            _withdraw_released(endpoint, event["object"])


def _withdraw_released(endpoint: Endpoint, volume: dict[str, Any]) -> None:
    """Delete a volume whose claim is gone; the end of the deletion is an event of its own."""
    if _is_released(volume):
        precondition = {"preconditions": {"uid": volume["metadata"]["uid"]}}
        endpoint.send("DELETE", f"{COLLECTION}/{volume['metadata']['name']}", precondition)


def _is_released(volume: dict[str, Any]) -> bool:
    gone = "deletionTimestamp" in volume["metadata"]
    return volume.get("status", {}).get("phase") == "Released" and not gone


if __name__ == "__main__":
    main(sys.argv[1:])
