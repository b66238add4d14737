"""S3 as MiniStack keeps it: its events, and objects on disk.

An object is two files, its bytes and its description. They change as one: both are written beside the old ones and
then renamed, the bytes first, and a start that finds a description whose bytes have moved already finishes the move.
"""

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

_version_of_event: ContextVar[str | None] = ContextVar("version_of_event", default=None)

_DESCRIPTION = ".meta.json"
_NEW = ".tmp"

_log = logging.getLogger(__name__)
_DEFAULT_TYPE = {"content-type": "binary/octet-stream"}


def name_types_as_s3() -> None:
    """Gives an object that is put without a Content-Type S3's `binary/octet-stream`; MiniStack gives it another."""
    from ministack.services import s3

    build, begin = s3._build_object_record, s3._create_multipart_upload

    def build_record(body: bytes, headers: dict[str, str], *args: Any, **options: Any) -> Any:
        return build(body, {**_DEFAULT_TYPE, **headers}, *args, **options)

    def begin_upload(bucket: str, key: str, headers: dict[str, str]) -> Any:
        return begin(bucket, key, {**_DEFAULT_TYPE, **headers})

    s3._build_object_record = build_record
    s3._create_multipart_upload = begin_upload


def put_version_ids_in_events() -> None:
    """Give EventBridge's `Object Created` the `version-id` that AWS puts there for a versioned bucket."""
    from ministack.services import eventbridge, s3

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*args: Any, version_id: str | None = None, **kwargs: Any) -> None:
        token = _version_of_event.set(version_id)
        try:
            fire(*args, version_id=version_id, **kwargs)
        finally:
            _version_of_event.reset(token)

    def dispatch_with_version(event: dict[str, Any], *args: Any) -> None:
        version = _version_of_event.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        dispatch(event, *args)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


def finish_writes(folder: Path) -> None:
    """Bring the objects that a killed cloud was writing to the state before or after; before MiniStack reads them."""
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            if name.endswith(_DESCRIPTION + _NEW):
                bytes_are_there = name.removesuffix(_DESCRIPTION + _NEW) + _NEW not in names
                _finish(Path(place) / name, bytes_are_there)
            elif name.endswith(_NEW):
                (Path(place) / name).unlink()


def _finish(description: Path, bytes_are_there: bool) -> None:
    try:
        json.loads(description.read_text("utf-8"))
    except ValueError:
        bytes_are_there = False
    if bytes_are_there:
        description.replace(description.with_name(description.name.removesuffix(_NEW)))
    else:
        description.unlink()


class Objects:
    """Objects on disk, and those that could not be written."""

    def __init__(self) -> None:
        self._unwritten: dict[tuple[str, str, str], OSError] = {}
        # A large object is written in a thread of its own while others are tried again.
        self._writing = threading.RLock()

    def install(self) -> None:
        """Write objects as one, hear of failures (MiniStack logs them), and keep no bytes of versions in memory."""
        from ministack.services import s3

        s3._persist_object = self._told(self._write)
        s3._delete_persisted_object = self._told(_delete)
        s3._persist_delete_marker = self._told(_write_marker)
        s3._persist_displaced_version = self._keep_version
        s3._delete_version_file = _delete_version

    def kept(self, bucket: str, key: str) -> bool:
        """Tells whether an object is on disk as it is in memory."""
        from ministack.core.responses import get_account_id

        return (get_account_id(), bucket, key) not in self._unwritten

    def retry(self) -> None:
        """Write what could not be written. Raises OSError where it still cannot."""
        from ministack.core.responses import get_region, request_scope
        from ministack.services import s3

        for account, bucket, key in list(self._unwritten):
            with request_scope(account, get_region()):
                del self._unwritten[account, bucket, key]
                if bucket in s3._buckets:
                    s3._persist_version_state(bucket, key, s3._buckets[bucket])
            if error := self._unwritten.get((account, bucket, key)):
                raise error

    def _told(self, change: Callable[[str, str, Any], None]) -> Callable[..., None]:
        def call(bucket: str, key: str, record: Any = None) -> None:
            from ministack.core.responses import get_account_id

            try:
                with self._writing:
                    change(bucket, key, record)
            except OSError as error:
                # The request goes on in memory; `retry` is asked before it is answered, and fails it.
                _log.warning("%s/%s is not on disk yet: %s", bucket, key, error)
                self._unwritten[get_account_id(), bucket, key] = error

        return call

    def _write(self, bucket: str, key: str, record: Any) -> None:
        from ministack.core.responses import get_account_id
        from ministack.services import s3

        path = s3._object_disk_path(bucket, key)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120 - hot, and strings there
        is_record = isinstance(record, dict)
        data = record.get("body") if is_record else record
        description = s3._object_meta_from_record(record) if is_record else {}
        _replace(path, data, {**description, **s3._key_history_meta(bucket, key), "key": key})
        if is_record:
            record["body"] = None
            for version in s3._object_versions.get((bucket, key)) or []:
                if version["version_id"] == record.get("version_id"):
                    version["data"] = None
        other = s3._other_key_disk_path(os.path.join(s3.DATA_DIR, get_account_id(), bucket), key, path)  # noqa: PTH118
        s3._remove_key_files(other)

    def _keep_version(self, bucket: str, key: str, prior: Any, versioning: str) -> None:
        """Set the current version's bytes aside before others take their place. Raises OSError: nothing may then."""
        from ministack.services import s3

        try:
            with self._writing:
                _set_aside(bucket, key, prior, versioning)
        except OSError:
            # The new object is in its place already; what was acknowledged stays the current one.
            current = s3._buckets[bucket]["objects"]
            if prior is None:
                current.pop(key, None)
            else:
                current[key] = prior
            raise


def _replace(path: str, data: bytes | None, description: dict[str, Any]) -> None:
    moves = []
    try:
        if data is not None:
            _create(path + _NEW, data)
            moves.append((path + _NEW, path))
        _create(path + _DESCRIPTION + _NEW, json.dumps(description).encode())
        moves.append((path + _DESCRIPTION + _NEW, path + _DESCRIPTION))
    except OSError:
        for name in (path + _NEW, path + _DESCRIPTION + _NEW):
            Path(name).unlink(missing_ok=True)
        raise
    for new, old in moves:
        os.replace(new, old)  # noqa: PTH105 - strings all the way


def _create(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
        file.write(data)


def _write_marker(bucket: str, key: str, marker: Any) -> None:
    from ministack.services import s3

    path = s3._object_disk_path(bucket, key)
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    head = {
        "is_delete_marker": True,
        "version_id": marker.get("version_id"),
        "last_modified": marker.get("last_modified", ""),
    }
    _replace(path, None, {**head, **s3._key_history_meta(bucket, key), "key": key})


def _delete(bucket: str, key: str, _: Any) -> None:
    from ministack.core.responses import get_account_id
    from ministack.services import s3

    path = s3._object_disk_path(bucket, key)
    # The bytes go before their description: alone, a description counts for nothing.
    s3._remove_key_files(path)
    s3._remove_key_files(s3._other_key_disk_path(str(Path(s3.DATA_DIR, get_account_id(), bucket)), key, path))


def _delete_version(bucket: str, key: str, version: str) -> None:
    from ministack.services import s3

    path = s3._version_disk_path(bucket, key, version)
    if path is not None:
        Path(path).unlink(missing_ok=True)


def _set_aside(bucket: str, key: str, prior: Any, versioning: str) -> None:
    from ministack.services import s3

    if versioning == "Suspended":
        _delete_version(bucket, key, "null")
    if prior is None:
        return
    version = prior.get("version_id") or "null"
    path = s3._version_disk_path(bucket, key, version)
    if path is None or (versioning == "Suspended" and version == "null"):
        return
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if prior.get("body") is not None:
        _create(path + _NEW, prior["body"])
    elif Path(current := s3._object_disk_path(bucket, key)).is_file():
        Path(path + _NEW).unlink(missing_ok=True)
        try:
            # The file is replaced, never written into: another name for it keeps these bytes.
            os.link(current, path + _NEW)
        except OSError:
            shutil.copyfile(current, path + _NEW)
    else:
        return
    Path(path + _NEW).replace(path)
