"""A real S3-compatible server in a process of its own, which checks signatures and rights."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from soma_dev.ports import free_port
from somamemory import s3
from tests.support.server_process import HOST

BUCKET = "memories"
PATIENCE_S = 30.0

_ALLOWED = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server with one bucket and one user.

    Attributes:
        environment: What names it and its user, for the environment of a process.
    """

    environment: dict[str, str]

    def item(self, key: str, **change: str) -> s3.Object:
        """Return an object of the bucket, as this user or with other settings."""
        return s3.Object(s3.store_from({**self.environment, **change}), BUCKET, key)


@contextmanager
def s3_server(log: Path, host: str = HOST) -> Iterator[S3Server]:
    """Run a server as long as the context lasts.

    Args:
        log: File that its output goes to.
        host: Address of this machine that it listens on.
    """
    where = Address(host, free_port(host))
    # Rights are asked for after the requests that make the user, its policy, its key and the bucket.
    environment = {"PATH": os.environ["PATH"], "INITIAL_NO_AUTH_ACTION_COUNT": "4"}
    command = [sys.executable, "-m", "moto.server", "-H", host, "-p", str(where.port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        _wait(where, log)
        yield S3Server(_furnished(where))
    finally:
        process.kill()
        process.wait()


def _wait(where: Address, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            # A page of the server's own, which is no action of a user.
            _request(where, "GET", "/moto-api/")
            return
        except OSError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)


def _furnished(where: Address) -> dict[str, str]:
    """Make the user and the bucket; return what an environment names them by."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [_ALLOWED]})
    _iam(where, Action="CreateUser", UserName="copier")
    _iam(where, Action="PutUserPolicy", UserName="copier", PolicyName="all", PolicyDocument=policy)
    made = _iam(where, Action="CreateAccessKey", UserName="copier")
    _request(where, "PUT", f"/{BUCKET}", service="s3")
    access, secret = (
        re.findall(f"<{name}>([^<]+)</{name}>", made)[0]
        for name in ("AccessKeyId", "SecretAccessKey")
    )
    return {
        "AWS_ENDPOINT_URL": f"http://{where.host}:{where.port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def _iam(where: Address, **fields: str) -> str:
    body = urlencode({**fields, "Version": "2010-05-08"})
    return _request(where, "POST", "/", body, service="iam")


def _request(
    where: Address, method: str, path: str, body: str = "", service: str | None = None
) -> str:
    connection = http.client.HTTPConnection(where.host, where.port, timeout=PATIENCE_S)
    credential = f"Credential=none/20260101/us-east-1/{service}/aws4_request"
    headers = {
        "Host": f"{service}.amazonaws.com" if service else where.host,
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none",
    }
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    assert response.status < 300, (method, path, response.status, text)
    return text
