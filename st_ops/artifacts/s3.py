"""Artifacts in an S3 bucket, of AWS or of a server that speaks its protocol (MinIO, Ceph …)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from st_ops.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1 << 18
#: Keys that one request deletes at most (S3's limit).
_MOST_KEYS = 1000
#: Seconds to connect, and to wait for an answer; failed requests are tried again by boto3.
_CONNECT_SECONDS, _ANSWER_SECONDS, _TRIES = 5, 60, 5


class S3Storage:
    """A bucket, or what lies under one prefix of it. Credentials: as boto3 finds them in the process's environment."""

    def __init__(self, url: str, *, endpoint_url: str = "", region: str = "") -> None:
        """``url``: ``s3://bucket/prefix``. The bucket must exist."""
        parts = urlsplit(url)
        self._bucket = parts.netloc
        self._prefix = unquote(parts.path).strip("/")
        # A session of our own: the default one may not be made in several threads at once.
        self._client: S3Client = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint_url or None,
            region_name=region or None,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_ANSWER_SECONDS,
                retries={"max_attempts": _TRIES, "mode": "standard"},
                # Servers that are not AWS know no bucket.host names.
                s3={"addressing_style": "path" if endpoint_url else "auto"},
            ),
        )

    def put(self, key: str, source: BufferedReader, size: int) -> str:
        """See Storage."""
        whole = f"{self._prefix}/{key}" if self._prefix else key
        with _translated(self._bucket):
            # In this thread: the runs of a worker upload side by side as it is.
            self._client.upload_fileobj(source, self._bucket, whole, Config=TransferConfig(use_threads=False))
        return f"s3://{self._bucket}/{quote(whole)}"

    def read(self, location: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See Storage."""
        bucket, key = _place(location)
        if length == 0:
            return iter(())
        wanted = {} if not start and length is None else {"Range": _range(start, length)}
        with _translated(bucket, location):
            body = self._client.get_object(Bucket=bucket, Key=key, **wanted)["Body"]  # type: ignore[arg-type]
        return _pieces(body.iter_chunks(_CHUNK), bucket)

    def remove(self, locations: Sequence[str]) -> None:
        """See Storage."""
        by_bucket: dict[str, list[str]] = {}
        for location in locations:
            bucket, key = _place(location)
            by_bucket.setdefault(bucket, []).append(key)
        for bucket, keys in by_bucket.items():
            for first in range(0, len(keys), _MOST_KEYS):
                self._delete(bucket, keys[first : first + _MOST_KEYS])

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        with _translated(bucket):
            answer = self._client.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        for failed in answer.get("Errors", []):
            raise Unavailable(f"S3 bucket {bucket}", f"{failed.get('Code')}: {failed.get('Message')}")

    def ping(self) -> None:
        """See Storage."""
        with _translated(self._bucket):
            self._client.head_bucket(Bucket=self._bucket)


def _place(location: str) -> tuple[str, str]:
    parts = urlsplit(location)
    return parts.netloc, unquote(parts.path)[1:]


def _range(start: int, length: int | None) -> str:
    return f"bytes={start}-" + ("" if length is None else str(start + length - 1))


def _pieces(chunks: Iterator[bytes], bucket: str) -> Iterator[bytes]:
    with _translated(bucket):
        yield from chunks


@contextmanager
def _translated(bucket: str, location: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as exc:
        error = exc.response.get("Error", {})
        if location and error.get("Code") in ("NoSuchKey", "404"):
            raise NotFound("file", location) from exc
        raise Unavailable(f"S3 bucket {bucket}", f"{error.get('Code')}: {error.get('Message')}") from exc
    except (BotoCoreError, Boto3Error) as exc:
        raise Unavailable(f"S3 bucket {bucket}", str(exc)) from exc
