"""Uploading files into the lake: each becomes one new object version, whose bytes Amazon S3 has checked.

The stored bytes are those that were hashed. Each part is sent with the SHA-256 of the bytes that were read,
and Amazon S3 rejects other bytes; the same read computes the SHA-256 of the whole file, which its receipt
must repeat. Nothing is overwritten: an existing object is kept unless a new version is requested, and costs
no bytes where Amazon S3 may be asked first. An interrupted upload resumes when it is run again.

Source: Amazon S3 User Guide, "Checking object integrity for data uploads", "Uploading and copying objects
using multipart upload" and "How to prevent object overwrites with conditional writes".
"""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from threading import Event
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from custody.deployment import Deployment
from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import Receipt
from custody.upload.file import FileChangedError, FilePart, NotSentError, OpenFile, part_bytes_of, parts_of
from custody.upload.plan import PlannedFile
from custody.upload.receipt import NoReceiptError, await_receipt_of, read_receipt
from custody.upload.state import UploadState, UploadStates

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, HeadObjectOutputTypeDef

WORKERS = 8
"""How many parts, or files of one part, are sent concurrently."""
_AHEAD = 2 * WORKERS
"""How many are hashed but not yet uploaded: enough to keep the workers busy, few enough that their bytes are
still in the system's cache when they are sent."""

_EXISTS = "An object with this key exists."
_UNKNOWN = "You may not see whether it has the same content, or not yet."
_REPLACE = "Nothing was overwritten: to upload a new version (the old one is kept), use --replace."
_CONFLICTS = {
    "PreconditionFailed": _EXISTS,
    "ConditionalRequestConflict": "Somebody else is writing an object with this key.",
}
"""Error codes of a failed conditional write."""
_OTHER_BYTES = {"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
"""Error codes for bytes that do not match their SHA-256."""
_UNSEEN = {"AccessDenied", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion"}
"""Error codes for a version that does not exist, or that the caller may not see."""
_AGAIN = "Run the same command again to resume."


class Outcome(StrEnum):
    """The outcome for a file."""

    UPLOADED = "uploaded"
    """It is uploaded, and its receipt agrees, if that was requested."""
    SAME = "same"
    """An object with this key and content is there already; its receipt agrees, if that was requested."""
    EXISTS = "exists"
    """Refused: an object with this key has other content, or content that the caller may not compare."""
    CHANGED = "changed"
    """Refused: the file changed while it was read."""
    DIFFERS = "differs"
    """Its receipt differs from what was sent: evidence of tampering in transit."""
    UNRECORDED = "unrecorded"
    """It is uploaded, but no receipt could be read in time."""
    FAILED = "failed"
    """It could not be read or sent."""
    NOT_TRIED = "not_tried"
    """Not tried: an earlier file failed."""


_THERE = {Outcome.UPLOADED, Outcome.SAME}
_ANSWERED = _THERE | {Outcome.EXISTS}
_REFUSED = {Outcome.EXISTS, Outcome.CHANGED, Outcome.DIFFERS}


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """The outcome for one file, and the reason."""

    file: PlannedFile
    outcome: Outcome
    detail: str = ""
    sha256: str | None = None
    """SHA-256 of the file, if it was read to its end."""
    version: ObjectVersion | None = None
    """The version that has its content."""
    parts: int = 0
    parts_sent: int = 0
    """Bytes sent by this run; an earlier run has sent the others."""
    receipt_key: str | None = None
    """Version id of the agreeing receipt, if it was waited for."""

    def to_dict(self) -> dict[str, Any]:
        """The file for a JSON document."""
        return {
            "path": str(self.file.path),
            "object": self.version.uri if self.version else self.file.uri,
            "bucket": self.file.bucket,
            "key": self.file.key,
            "table": self.file.table,
            "version_id": self.version.version_id if self.version else None,
            "outcome": str(self.outcome),
            "detail": self.detail,
            "sha256": self.sha256,
            "size_bytes": self.file.size_bytes,
            "parts": self.parts,
            "parts_sent": self.parts_sent,
            "receipt_key": self.receipt_key,
        }


@dataclass(slots=True)
class Progress:
    """The progress of an upload."""

    files: int
    size_bytes: int
    files_done: int = 0
    bytes_done: int = 0
    """Bytes uploaded by this or an earlier run."""
    bytes_sent: int = 0
    """Bytes sent by this run."""
    receipts: int = 0


def exit_code(uploaded: Sequence[UploadedFile]) -> int:
    """1 if a file was refused or differs, 3 if one could not be sent or has no receipt, else 0."""
    outcomes = {each.outcome for each in uploaded}
    return 1 if outcomes & _REFUSED else 0 if outcomes <= _THERE else 3


def upload_files(
    s3: S3Client,
    deployment: Deployment,
    files: Sequence[PlannedFile],
    states: UploadStates,
    *,
    replacing: bool = False,
    receipt_timeout_seconds: float | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[UploadedFile]:
    """Upload every file and yield the outcome for each, in their order.

    ``replacing`` uploads a new version if an object exists. With ``receipt_timeout_seconds`` it waits that
    long for each file's receipt, and compares it. After an error of Amazon S3 no other file is tried. An
    interruption (``KeyboardInterrupt``) keeps what is uploaded, and ``states``, so that the same call
    resumes. Raises ``UsageError`` if ``states`` cannot be stored, and botocore's ``NoCredentialsError``.
    """
    states.open(time.time())
    progress = Progress(len(files), sum(file.size_bytes for file in files))
    uploader = _Uploader(
        s3, deployment, states, replacing=replacing, progress=progress, on_progress=on_progress
    )
    uploaded = uploader.upload(files)
    if receipt_timeout_seconds is not None:
        patience = receipt_timeout_seconds
        for index, each in enumerate(uploaded):
            if each.outcome not in _THERE or each.version is None:
                continue
            await_receipt = partial(
                await_receipt_of,
                s3,
                deployment.buckets["provenance"],
                each.version,
                timeout_seconds=patience,
                sleep=sleep,
                clock=clock,
            )
            uploaded[index] = answer = _compare_receipt(each, await_receipt)
            if answer.outcome is Outcome.UNRECORDED:
                patience = 0  # one attempt for each of the others: what is broken for one is broken for them
            progress.receipts += answer.receipt_key is not None
            on_progress(progress)
    if exit_code(uploaded) == 0:
        for file in files:
            states.finish(file)
    return uploaded


def _compare_receipt(uploaded: UploadedFile, await_receipt: Callable[[], Receipt]) -> UploadedFile:
    """Compare an uploaded file's receipt with what was read from the disk."""
    try:
        receipt = await_receipt()
    except EvidenceError as error:
        return replace(uploaded, outcome=Outcome.DIFFERS, detail=error.message)
    except NoReceiptError as error:
        return replace(uploaded, outcome=Outcome.UNRECORDED, detail=str(error))
    except (BotoCoreError, ClientError) as error:
        return replace(uploaded, outcome=Outcome.UNRECORDED, detail=f"Its receipt could not be read: {error}")
    size_bytes = uploaded.file.size_bytes
    if (receipt.sha256, receipt.size_bytes) != (uploaded.sha256, size_bytes):
        detail = (
            f"The file is {size_bytes} bytes with SHA-256 {uploaded.sha256}; "
            f"its receipt says {receipt.size_bytes} bytes with SHA-256 {receipt.sha256}."
        )
        return replace(uploaded, outcome=Outcome.DIFFERS, detail=detail)
    return replace(uploaded, receipt_key=receipt.version.receipt_key)


@dataclass(frozen=True, slots=True)
class _Content:
    """The digests of a file, and of its parts."""

    whole: bytes
    parts: Sequence[bytes]

    def has(self, checksum: str | None) -> bool | None:
        """Whether an object with this SHA-256, as Amazon S3 states it, has this content; ``None`` if unknown.

        That of an object uploaded in parts is the digest of the parts' digests, and their number.
        """
        of_parts = f"{_base64(hashlib.sha256(b''.join(self.parts)).digest())}-{len(self.parts)}"
        if checksum in {_base64(self.whole), of_parts}:
            return True
        return None if checksum is None or "-" in checksum else False


@dataclass(frozen=True, slots=True)
class _Multipart:
    """A multipart upload, and the parts that Amazon S3 already has."""

    upload_id: str
    part_bytes: int
    there: Mapping[int, CompletedPartTypeDef]


class _Uploader:
    """One run: its pool and its progress."""

    def __init__(
        self,
        s3: S3Client,
        deployment: Deployment,
        states: UploadStates,
        *,
        replacing: bool,
        progress: Progress,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._s3 = s3
        self._deployment = deployment
        self._states = states
        self._replacing = replacing
        self._condition: dict[str, Any] = {} if replacing else {"IfNoneMatch": "*"}
        self._denied = False
        """Whether the caller was denied to ask what is there."""
        self._progress = progress
        self._on_progress = on_progress
        self._stop = Event()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="upload")

    def upload(self, files: Sequence[PlannedFile]) -> list[UploadedFile]:
        """Files of one part are sent concurrently; a larger file alone, with its parts sent concurrently.

        The first is sent alone too: what the caller is denied for it, need not be tried for the others.
        """
        uploaded = [UploadedFile(file, Outcome.NOT_TRIED) for file in files]
        under_way: deque[tuple[int, Future[UploadedFile]]] = deque()
        failed = False

        def settle(index: int, result: UploadedFile) -> bool:
            uploaded[index] = result
            self._progress.files_done += 1
            if parts_of(result.file.size_bytes) == 1 or result.outcome is Outcome.SAME:
                self._count(result.file.size_bytes, sent=result.parts_sent > 0)
            return result.outcome is Outcome.FAILED

        with self._pool:
            try:
                for index, file in enumerate(files):
                    is_small = parts_of(file.size_bytes) == 1
                    while under_way and (failed or not is_small or index == 1 or len(under_way) == _AHEAD):
                        first, future = under_way.popleft()
                        failed |= settle(first, future.result())
                    if failed:
                        break
                    if is_small:
                        under_way.append((index, self._pool.submit(self._upload, file)))
                    else:
                        failed |= settle(index, self._upload(file))
                for index, future in under_way:
                    settle(index, future.result())
            except BaseException:
                self._stop.set()
                self._pool.shutdown(wait=False, cancel_futures=True)
                raise
        if self._denied and any(each.outcome in _ANSWERED for each in uploaded):
            self._states.note_denial(files[0].bucket)
        return uploaded

    def _upload(self, file: PlannedFile) -> UploadedFile:
        try:
            try:
                with OpenFile(file) as opened:
                    return self._send(file, opened)
            except (FileChangedError, NotSentError):
                self._discard(file)
                return UploadedFile(
                    file, Outcome.CHANGED, "It changed while it was read. Upload it when nobody writes to it."
                )
        except OSError as error:
            return UploadedFile(file, Outcome.FAILED, f"It cannot be read: {error.strerror}.")
        except CannotCheckError as error:
            return UploadedFile(file, Outcome.FAILED, str(error))
        except NoCredentialsError:
            raise  # nothing was tried
        except (BotoCoreError, ClientError) as error:
            return UploadedFile(file, Outcome.FAILED, f"{error} {_AGAIN}")

    def _send(self, file: PlannedFile, opened: OpenFile) -> UploadedFile:
        if opened.identity.size_bytes != file.size_bytes:
            raise FileChangedError
        state = self._states.load(file)
        if (there := self._already_there(file, opened, state)) is not None:
            if state is not None and state.upload_id:
                self._discard(file)
            return there
        try:
            if parts_of(file.size_bytes) == 1:
                if state is not None and state.upload_id:
                    self._discard(file)
                return self._send_whole(file, opened)
            return self._send_in_parts(file, opened, state)
        except ClientError as error:
            if _code(error) in _OTHER_BYTES:
                opened.require_unchanged()  # a change of the file explains the error
            raise

    def _already_there(
        self, file: PlannedFile, opened: OpenFile, state: UploadState | None
    ) -> UploadedFile | None:
        """What is there of the file, as far as the caller may ask; ``None`` if the file is to be sent."""
        if not self._replacing and self._may_look(file):
            head = self._look(file)
            if head is not None:
                size_bytes = head["ContentLength"]
                found = UploadedFile(file, Outcome.EXISTS, parts=parts_of(file.size_bytes))
                if size_bytes != file.size_bytes:
                    other = f"It has other content: {size_bytes} bytes, this file has {file.size_bytes}."
                    return replace(found, detail=f"{_EXISTS} {other} {_REPLACE}")
                content = _content(file, opened)
                return self._compared(replace(found, sha256=content.whole.hex()), head, content)
            if not self._denied:
                return None
        if state is None or state.version_id is None or (self._replacing and state.finished):
            return None
        return self._sent_before(file, opened, state, state.version_id)

    def _may_look(self, file: PlannedFile) -> bool:
        return not self._denied and self._states.may_look(file.bucket)

    def _look(self, file: PlannedFile) -> HeadObjectOutputTypeDef | None:
        """The object that is there, if there is one and the caller may read it.

        An error of this request has no words, only a status: those of the write that follows are told.
        """
        try:
            return self._s3.head_object(Bucket=file.bucket, Key=file.key, ChecksumMode="ENABLED")
        except ClientError as error:
            self._denied |= _code(error) == "403"
            return None

    def _compared(
        self, found: UploadedFile, head: HeadObjectOutputTypeDef, content: _Content
    ) -> UploadedFile:
        """Whether an object of the same size has the same content, as S3 or else its receipt says."""
        file = found.file
        version = ObjectVersion(file.bucket, file.key, head.get("VersionId", "null"))
        same, source = content.has(head.get("ChecksumSHA256")), "its checksum"
        if same is None:
            try:
                receipt = read_receipt(self._s3, self._deployment.buckets["provenance"], version)
            except (ClientError, NoReceiptError):
                return replace(found, detail=f"{_EXISTS} {_UNKNOWN} {_REPLACE}")
            except EvidenceError as error:
                detail = f"{_EXISTS} Its receipt is not valid: {error.message} {_REPLACE}"
                return replace(found, detail=detail)
            same, source = receipt.sha256 == content.whole.hex(), "its receipt"
        if same:
            detail = f"It is there already, with the same content, according to {source}."
            return replace(found, outcome=Outcome.SAME, detail=detail, version=version)
        return replace(found, detail=f"{_EXISTS} It has other content, according to {source}. {_REPLACE}")

    def _sent_before(
        self, file: PlannedFile, opened: OpenFile, state: UploadState, version_id: str
    ) -> UploadedFile | None:
        """The version that an earlier run uploaded, if it has this content and still exists.

        A writer may have no read permission. A version's tags show that it exists, and nothing of its
        content.
        """
        sha256 = _content(file, opened).whole.hex()
        if sha256 != state.sha256:
            return None
        version = ObjectVersion(file.bucket, file.key, version_id)
        try:
            self._s3.get_object_tagging(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
        except ClientError as error:
            if _code(error) in _UNSEEN:
                return None
            raise
        self._states.save(file, state)  # for another week
        detail = "It is there already: an earlier run uploaded it."
        return UploadedFile(file, Outcome.SAME, detail, sha256, version, parts_of(file.size_bytes))

    def _send_whole(self, file: PlannedFile, opened: OpenFile) -> UploadedFile:
        content = _content(file, opened)
        sent = UploadedFile(file, Outcome.UPLOADED, sha256=content.whole.hex(), parts=1, parts_sent=1)
        try:
            answer = self._s3.put_object(
                Bucket=file.bucket,
                Key=file.key,
                Body=cast("IO[bytes]", FilePart(opened, 0, file.size_bytes, self._stop)),
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64(content.whole),
                **self._condition,
            )
        except ClientError as error:
            if _code(error) in _CONFLICTS:
                return self._refused(sent, content, error)
            raise
        return self._landed(sent, opened, answer.get("VersionId"))

    def _send_in_parts(self, file: PlannedFile, opened: OpenFile, state: UploadState | None) -> UploadedFile:
        part_bytes = part_bytes_of(file.size_bytes)
        upload = self._resume(file, opened, state, part_bytes)
        if upload is None:
            upload_id = self._s3.create_multipart_upload(
                Bucket=file.bucket, Key=file.key, ChecksumAlgorithm="SHA256"
            )["UploadId"]
            upload = _Multipart(upload_id, part_bytes, {})
            self._states.save(file, UploadState(opened.identity, upload_id, part_bytes))
        try:
            parts, content, sent = self._send_parts(file, opened, upload)
            opened.require_unchanged()
        except (FileChangedError, NotSentError):
            self._abort(file, upload.upload_id)
            raise
        try:
            answer = self._s3.complete_multipart_upload(
                Bucket=file.bucket,
                Key=file.key,
                UploadId=upload.upload_id,
                MultipartUpload={"Parts": parts},
                MpuObjectSize=file.size_bytes,
                **self._condition,
            )
        except ClientError as error:
            if _code(error) in _CONFLICTS:
                self._abort(file, upload.upload_id)
                return self._refused(sent, content, error)
            raise
        return self._landed(sent, opened, answer.get("VersionId"))

    def _resume(
        self, file: PlannedFile, opened: OpenFile, state: UploadState | None, part_bytes: int
    ) -> _Multipart | None:
        """The upload that an earlier run began, if it is for the same file and still exists."""
        if state is None or state.upload_id is None:
            return None
        if (state.identity, state.part_bytes) != (opened.identity, part_bytes):
            self._discard(file)
            return None
        there: dict[int, CompletedPartTypeDef] = {}
        pages = self._s3.get_paginator("list_parts").paginate(
            Bucket=file.bucket, Key=file.key, UploadId=state.upload_id
        )
        try:
            for page in pages:
                for part in page.get("Parts", []):
                    there[part["PartNumber"]] = {
                        "PartNumber": part["PartNumber"],
                        "ETag": part["ETag"],
                        "ChecksumSHA256": part.get("ChecksumSHA256", ""),
                    }
        except ClientError as error:
            if _code(error) == "NoSuchUpload":
                return None
            raise
        return _Multipart(state.upload_id, part_bytes, there)

    def _send_parts(
        self, file: PlannedFile, opened: OpenFile, upload: _Multipart
    ) -> tuple[list[CompletedPartTypeDef], _Content, UploadedFile]:
        """Hash the file in order, and send those of its parts that Amazon S3 does not have."""
        parts: list[CompletedPartTypeDef] = []
        under_way: deque[tuple[CompletedPartTypeDef, int, Future[str]]] = deque()
        whole = hashlib.sha256()
        digests: list[bytes] = []
        parts_sent = 0
        stop = Event()

        def settle() -> None:
            part, size_bytes, etag = under_way[0]
            part["ETag"] = etag.result()
            under_way.popleft()
            self._count(size_bytes, sent=True)

        try:
            for number, begin in enumerate(range(0, file.size_bytes, upload.part_bytes), start=1):
                size_bytes = min(upload.part_bytes, file.size_bytes - begin)
                digest = hashlib.sha256()
                opened.hash_part(begin, size_bytes, whole, digest)
                digests.append(digest.digest())
                part: CompletedPartTypeDef = {
                    "PartNumber": number,
                    "ChecksumSHA256": _base64(digest.digest()),
                }
                known = upload.there.get(number)
                if known is not None and known["ChecksumSHA256"] == part["ChecksumSHA256"]:
                    parts.append(known)
                    self._count(size_bytes, sent=False)
                    continue
                body = FilePart(opened, begin, size_bytes, stop)
                parts.append(part)
                parts_sent += 1
                under_way.append(
                    (part, size_bytes, self._pool.submit(self._send_part, file, upload, part, body))
                )
                if len(under_way) == _AHEAD:
                    settle()
            while under_way:
                settle()
        except BaseException:
            # After this, nothing may read the file or add a part.
            stop.set()
            futures = [future for *_, future in under_way]
            for future in futures:
                future.cancel()
            wait(futures)
            raise
        sent = UploadedFile(
            file,
            Outcome.UPLOADED,
            sha256=whole.hexdigest(),
            parts=len(parts),
            parts_sent=parts_sent,
        )
        return parts, _Content(whole.digest(), digests), sent

    def _send_part(
        self, file: PlannedFile, upload: _Multipart, part: CompletedPartTypeDef, body: FilePart
    ) -> str:
        return self._s3.upload_part(
            Bucket=file.bucket,
            Key=file.key,
            UploadId=upload.upload_id,
            PartNumber=part["PartNumber"],
            Body=cast("IO[bytes]", body),
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=part["ChecksumSHA256"],
        )["ETag"]

    def _landed(self, sent: UploadedFile, opened: OpenFile, version_id: str | None) -> UploadedFile:
        """Save the version at once: if the run ends here, the next one must recognise it."""
        file = sent.file
        if version_id is None:
            raise CannotCheckError(
                f"Versioning is not enabled on {file.bucket}, so the object has no version id.",
                "Run custody doctor.",
            )
        self._states.save(file, UploadState(opened.identity, version_id=version_id, sha256=sent.sha256))
        return replace(sent, version=ObjectVersion(file.bucket, file.key, version_id))

    def _refused(self, sent: UploadedFile, content: _Content, error: ClientError) -> UploadedFile:
        """Report that the object exists, and whether it is the same, as far as the writer may read it."""
        refused = replace(sent, outcome=Outcome.EXISTS)
        if (
            _code(error) == "PreconditionFailed"
            and self._may_look(sent.file)
            and (head := self._look(sent.file))
        ):
            return self._compared(refused, head, content)
        words = [_CONFLICTS[_code(error)], _UNKNOWN]
        if error.response["ResponseMetadata"].get("RetryAttempts", 0):
            words.append("A response of Amazon S3 was lost before: this run itself may have uploaded it.")
        return replace(refused, detail=" ".join([*words, _REPLACE]))

    def _discard(self, file: PlannedFile) -> None:
        """Forget what is known of a file, and abort the upload in parts that was begun for it."""
        state = self._states.load(file)
        if state is not None and state.upload_id:
            self._abort(file, state.upload_id)
        else:
            self._states.forget(file)

    def _abort(self, file: PlannedFile, upload_id: str) -> None:
        """Abort an upload in parts, whatever another run has saved meanwhile."""
        try:
            self._s3.abort_multipart_upload(Bucket=file.bucket, Key=file.key, UploadId=upload_id)
        except ClientError as error:
            if _code(error) != "NoSuchUpload":
                raise
        self._states.forget(file)

    def _count(self, size_bytes: int, *, sent: bool) -> None:
        self._progress.bytes_done += size_bytes
        if sent:
            self._progress.bytes_sent += size_bytes
        self._on_progress(self._progress)


def _content(file: PlannedFile, opened: OpenFile) -> _Content:
    """Read a file to its end. Raises ``FileChangedError`` if it has changed."""
    size_bytes, whole, parts = file.size_bytes, hashlib.sha256(), []
    if parts_of(size_bytes) == 1:
        opened.hash_part(0, size_bytes, whole)
        parts.append(whole.digest())
    else:
        part_bytes = part_bytes_of(size_bytes)
        for begin in range(0, size_bytes, part_bytes):
            digest = hashlib.sha256()
            opened.hash_part(begin, min(part_bytes, size_bytes - begin), whole, digest)
            parts.append(digest.digest())
    opened.require_unchanged()
    return _Content(whole.digest(), parts)


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()
