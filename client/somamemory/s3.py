"""A bucket of an S3-compatible store, by boto3, which the extra `s3` brings.

Configured as the tools of AWS are: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_CA_BUNDLE`, or any other way that boto3 knows to credentials. The bucket is named in the path,
which every store understands.
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from somamemory.errors import invalid

TIMEOUT_S = 60.0
ATTEMPTS = 4
READ_BYTES = 1024 * 1024

_NO_STORE = "what answers at AWS_ENDPOINT_URL does not speak S3"

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

_WAYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables that name credentials; without any, boto3 would look for them on the network."""


def store_from(environment: Mapping[str, str]) -> Any:
    """Return boto3's client of the store that the environment names.

    Raises:
        InvalidArgument: It does not name one, or boto3 is not there.
    """
    if not any(environment.get(name) for name in _WAYS):
        raise invalid(_WAYS[0], "must be set in the environment, for s3://")
    access, secret, session = (_credential(environment, name) for name in _KEYS)
    if access and not secret:
        raise invalid("AWS_SECRET_ACCESS_KEY", "must be set in the environment, for s3://")
    try:
        # Here, because a client without copies in buckets should not carry it.
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError as error:
        raise invalid("PLACE", "needs boto3: pip install 'somamemory[s3]'") from error
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    try:
        return _client(
            endpoint_url=environment.get("AWS_ENDPOINT_URL") or None,
            region_name=region or "us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            aws_session_token=session,
            verify=environment.get("AWS_CA_BUNDLE") or None,
        )
    except (BotoCoreError, ValueError) as error:  # the latter: an endpoint that is no URL
        raise invalid("AWS_*", f"name no store in the environment: {error}") from error


def _client(**options: str | None) -> Any:
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    return boto3.client(
        "s3",
        **options,
        config=Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            s3={"addressing_style": "path"},
            # Stores other than AWS's know only what the first version of the protocol had.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _credential(environment: Mapping[str, str], name: str) -> str | None:
    """Return a part of the credentials without the end of line that files of secrets often have.

    Raises:
        InvalidArgument: It cannot be sent; else the error of the sending would tell it to everybody.
    """
    value = environment.get(name, "").strip()
    if not (value.isascii() and value.isprintable()):
        raise invalid(name, "must be printable ASCII text")
    return value or None


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a bucket, there or not; every method may raise OSError with what the store says."""

    store: Any
    bucket: str
    key: str

    @property
    def address(self) -> str:
        """The object, as people write it."""
        return f"s3://{self.bucket}/{self.key}"

    def exists(self) -> bool:
        """Return whether it is there."""
        try:
            self._ask("head_object")
        except FileNotFoundError:
            return False
        return True

    def tag(self) -> str:
        """Return what the store knows its content by; that it is not there is FileNotFoundError."""
        return _tag_of(self._ask("head_object"))

    def put(self, body: bytes) -> str:
        """Write it in one piece; return its tag."""
        return _tag_of(self._ask("put_object", Body=body))

    def begin(self) -> str:
        """Begin to write it in parts; return the name of the upload."""
        return self._given(self._ask("create_multipart_upload"), "UploadId")

    def put_part(self, upload: str, number: int, body: bytes) -> str:
        """Write a part, from 1 on; return what the store knows it by."""
        answer = self._ask("upload_part", UploadId=upload, PartNumber=number, Body=body)
        return self._given(answer, "ETag")

    def complete(self, upload: str, tags: list[str]) -> str:
        """Make the object of its parts; return its tag, empty where that is not known."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
        whole = {"Parts": parts}
        try:
            answer = self._ask("complete_multipart_upload", UploadId=upload, MultipartUpload=whole)
        except FileNotFoundError:
            # Asked again, because an answer was lost, it does not know the parts any more: they are an object.
            if not self.exists():
                raise
            return ""
        return _tag_of(answer)

    def abort(self, upload: str) -> None:
        """Let go of the parts that were written."""
        self._ask("abort_multipart_upload", UploadId=upload)

    def delete(self) -> None:
        """Remove it; that it is not there is success."""
        try:
            self._ask("delete_object")
        except FileNotFoundError as error:
            # Some stores say so; that there is no such bucket is something else.
            if _code_of(error.__cause__) != "NoSuchKey":
                raise

    def read(self) -> Iterator[bytes]:
        """Read it; that it is not there is FileNotFoundError."""
        body = self._ask("get_object")["Body"]
        with _telling(self.address):
            yield from body.iter_chunks(READ_BYTES)

    def _ask(self, action: str, **parameters: Any) -> dict[str, Any]:
        with _telling(self.address):
            answer: dict[str, Any] = getattr(self.store, action)(
                Bucket=self.bucket, Key=self.key, **parameters
            )
        return answer

    def _given(self, answer: Mapping[str, Any], name: str) -> str:
        if not answer.get(name):
            raise OSError(errno.EIO, _NO_STORE, self.address)
        return str(answer[name])


def _tag_of(answer: Mapping[str, Any]) -> str:
    """Return the tag in an answer, which some quote; empty where there is none."""
    return str(answer.get("ETag") or "").strip('"')


def _code_of(error: BaseException | None) -> str:
    """Return the word that the store has for what is wrong; empty where it said none."""
    said = getattr(error, "response", {}).get("Error", {})
    return str(said.get("Code") or "")


@contextmanager
def _telling(address: str) -> Iterator[None]:
    """Raise what boto3 raises as errors of the operating system, which name the object."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        words = " ".join(filter(None, (said.get("Code"), said.get("Message"))))
        if code == 404:
            raise FileNotFoundError(errno.ENOENT, words or "it is not there", address) from error
        raise OSError(errno.EIO, f"the store refuses, {code}: {words}", address) from error
    except BotoCoreError as error:
        raise OSError(errno.EIO, str(error), address) from error
    except (ResponseParserError, RecursionError) as error:  # the latter: it sends boto3 in circles
        raise OSError(errno.EIO, _NO_STORE, address) from error
