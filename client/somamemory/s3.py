"""A bucket of an S3-compatible store, by the standard library: signed requests, uploads in parts.

Configured as the tools of AWS are: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_CA_BUNDLE`. The bucket is named in the path, which every store understands.
"""

import errno
import hashlib
import hmac
import html
import http.client
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from somamemory.errors import invalid

TIMEOUT_S = 60.0
ATTEMPTS = 4
READ_BYTES = 1024 * 1024

_PASSING = frozenset({429, 500, 502, 503, 504})
"""Answers that another attempt may turn into better ones."""


def _utc_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the edge where time comes in


@dataclass(frozen=True, slots=True)
class Store:
    """Where buckets are, and who asks.

    Attributes:
        endpoint: URL without a path.
        pause: Waits so many seconds.
        now: Wall time, which is part of a signature.
    """

    endpoint: str
    region: str
    access_key: str
    secret_key: str
    session_token: str | None
    ca_file: str | None
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _utc_now


def store_from(environment: Mapping[str, str]) -> Store:
    """Return the store that the environment names.

    Raises:
        InvalidArgument: It does not name one.
    """
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if not environment.get(name):
            raise invalid(name, "must be set in the environment, for s3://")
    return Store(
        endpoint=environment.get("AWS_ENDPOINT_URL") or f"https://s3.{region}.amazonaws.com",
        region=region,
        access_key=environment["AWS_ACCESS_KEY_ID"],
        secret_key=environment["AWS_SECRET_ACCESS_KEY"],
        session_token=environment.get("AWS_SESSION_TOKEN") or None,
        ca_file=environment.get("AWS_CA_BUNDLE") or None,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a store said, but for what is read from `body` later."""

    code: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a bucket, there or not."""

    store: Store
    bucket: str
    key: str

    @property
    def address(self) -> str:
        """The object, as people write it."""
        return f"s3://{self.bucket}/{self.key}"

    def exists(self) -> bool:
        """Return whether it is there."""
        return self._ask("HEAD", passes=(200, 404)).code == 200

    def put(self, body: bytes) -> None:
        """Write it in one piece."""
        self._ask("PUT", body=body)

    def begin(self) -> str:
        """Begin to write it in parts; return the name of the upload."""
        answer = self._ask("POST", {"uploads": ""})
        found = re.search(r"<UploadId>([^<]+)</UploadId>", answer.text)
        if found is None:
            raise OSError(errno.EIO, "the store began no upload", self.address)
        return html.unescape(found[1])

    def put_part(self, upload: str, number: int, body: bytes) -> str:
        """Write a part, from 1 on; return what the store knows it by."""
        parameters = {"partNumber": str(number), "uploadId": upload}
        return self._ask("PUT", parameters, body).headers["etag"]

    def complete(self, upload: str, tags: list[str]) -> None:
        """Make the object of its parts."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{html.escape(tag)}</ETag></Part>"
            for number, tag in enumerate(tags, start=1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = self._ask("POST", {"uploadId": upload}, body)
        # A store may find out that it cannot when it has said 200 already.
        if "<Error>" in answer.text:
            raise _refusal(answer, self.address)

    def abort(self, upload: str) -> None:
        """Let go of the parts that were written."""
        self._ask("DELETE", {"uploadId": upload}, passes=(204, 200, 404))

    def delete(self) -> None:
        """Remove it; that it is not there is success."""
        self._ask("DELETE", passes=(204, 200, 404))

    def read(self) -> Iterator[bytes]:
        """Read it.

        Raises:
            FileNotFoundError: It is not there.
            OSError: The store does not give it, or not all of it.
        """
        with self._asked("GET", {}, b"") as response:
            if response.status != 200:
                raise _refusal(_read(response), self.address)
            left = int(response.headers["content-length"])
            while chunk := response.read(READ_BYTES):
                left -= len(chunk)
                yield chunk
        if left:
            raise OSError(errno.EIO, "the store did not send all of it", self.address)

    def _ask(
        self,
        method: str,
        parameters: Mapping[str, str] | None = None,
        body: bytes = b"",
        passes: tuple[int, ...] = (200,),
    ) -> Answer:
        """Ask until there is an answer that does not pass away."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._asked(method, parameters or {}, body) as response:
                    answer = _read(response)
            except (OSError, http.client.HTTPException) as error:
                if attempt == ATTEMPTS:
                    cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
                    text = f"{self.store.endpoint} does not answer ({cause})"
                    raise OSError(errno.EIO, text, self.address) from error
            else:
                if answer.code in passes:
                    return answer
                if answer.code not in _PASSING or attempt == ATTEMPTS:
                    raise _refusal(answer, self.address)
            self.store.pause(2.0 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _asked(
        self, method: str, parameters: Mapping[str, str], body: bytes
    ) -> Iterator[http.client.HTTPResponse]:
        place = urlsplit(self.store.endpoint)
        path = quote(f"/{self.bucket}/{self.key}")
        query = _query(parameters)
        headers = self._signed(method, place.netloc, path, query, hashlib.sha256(body).hexdigest())
        connection = _connection(place.scheme, place.netloc, self.store.ca_file)
        try:
            connection.request(method, f"{path}?{query}" if query else path, body, headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def _signed(self, method: str, host: str, path: str, query: str, digest: str) -> dict[str, str]:
        """Return the headers of a request, signed by version 4 of AWS's signatures."""
        store = self.store
        moment = store.now().strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
        if store.session_token is not None:
            headers["x-amz-security-token"] = store.session_token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        scope = f"{moment[:8]}/{store.region}/s3/aws4_request"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}"
        key = f"AWS4{store.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"{store.access_key}/{scope}"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return headers


def _query(parameters: Mapping[str, str]) -> str:
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in sorted(parameters.items())
    )


def _connection(scheme: str, host: str, ca_file: str | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, timeout=TIMEOUT_S)
    context = ssl.create_default_context(cafile=ca_file)
    return http.client.HTTPSConnection(host, timeout=TIMEOUT_S, context=context)


def _read(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read().decode("utf-8", "replace"))


def _refusal(answer: Answer, address: str) -> OSError:
    code = re.search(r"<Code>([^<]*)</Code>", answer.text)
    said = re.search(r"<Message>([^<]*)</Message>", answer.text)
    words = " ".join(html.unescape(found[1]) for found in (code, said) if found)
    if answer.code == 404:
        return FileNotFoundError(errno.ENOENT, words or "it is not there", address)
    return OSError(errno.EIO, f"the store refuses, {answer.code}: {words}".rstrip(": "), address)
