"""S3 as MiniStack keeps it: its events, and where the bytes of objects are."""

import json
from contextvars import ContextVar
from typing import Any

_version_of_event: ContextVar[str | None] = ContextVar("version_of_event", default=None)


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


def keep_versions_on_disk() -> None:
    """Let go of an object's bytes once they are on disk; MiniStack keeps those of every version in memory."""
    from ministack.services import s3

    persist = s3._persist_object

    def persist_object(bucket: str, key: str, obj: Any) -> None:
        persist(bucket, key, obj)
        if isinstance(obj, dict) and obj.get("body") is None:
            for version in s3._object_versions.get((bucket, key)) or []:
                if version["version_id"] == obj.get("version_id"):
                    version["data"] = None

    s3._persist_object = persist_object
