"""Activities: their names, and GetActivityTask. What waits for workers is in `local.stepfunctions.activities`."""

from concurrent.futures import Future
from functools import partial

from local.documents import Document
from local.stepfunctions.activities import Poll
from local.stepfunctions.api import arns, errors, names, paging, tags
from local.stepfunctions.api.arns import ACTIVITY
from local.stepfunctions.api.context import Context, Later
from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.api.registry import public
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.executor.tasks import ScheduledTask
from local.store import now

KIND = "activity"
_OWNED_KEY: Document = {"type": "AWS_OWNED_KEY"}
_POLL_SECONDS = 60.0
_MOST, _MOST_WORKERS = 10_000, 1_000
"""Activities, and workers that poll for one (AWS quotas)."""


def create(context: Context, request: Document) -> Document:
    name = names.check(request["name"])
    arn = context.place.arn(ACTIVITY, name)
    encryption = request.get("encryptionConfiguration", _OWNED_KEY)
    with context.store.transaction():
        known = context.store.get(KIND, arn)
        if known is not None:
            if known["encryptionConfiguration"] != encryption:
                raise ApiError("ActivityAlreadyExists", f"Activity Already Exists: '{arn}'")
            return known
        if len(context.store.find(KIND)) >= _MOST:
            raise ApiError("ActivityLimitExceeded", f"There are {_MOST} activities already")
        activity = {"activityArn": arn, "name": name, "creationDate": now(), "encryptionConfiguration": encryption}
        context.store.insert(KIND, arn, activity)
        tags.keep(context, arn, request.get("tags", ()))
    return activity


def describe(context: Context, request: Document) -> Document:
    return public(_existing(context, request))


def delete(context: Context, request: Document) -> Document:
    arn = arns.parse(request["activityArn"], ACTIVITY).text
    with context.store.transaction():
        context.store.delete(KIND, arn)
        tags.forget(context, arn)
    return {}


def listed(context: Context, request: Document) -> Document:
    return paging.page(
        "activities",
        context.store.find(KIND),
        request,
        lambda activity: [activity["creationDate"], activity["name"]],
    )


def get_task(context: Context, request: Document) -> Later:
    """Waits for up to a minute, as on AWS; then there is none."""
    arn = _existing(context, request)["activityArn"]
    if context.activities.waiting(arn) >= _MOST_WORKERS:
        raise ApiError("ActivityWorkerLimitExceeded", f"Too many workers poll for tasks of: '{arn}'")
    poll = context.activities.poll(arn)
    return Later(
        poll.future,
        partial(_handed, context, poll, request.get("workerName")),
        _POLL_SECONDS,
        partial(context.activities.give_back, poll),
    )


def _handed(context: Context, poll: Poll, worker: str | None, future: "Future[ScheduledTask]") -> Document:
    if (not future.done() and context.activities.leave(poll)) or future.cancelled():
        return {}
    # Its time was up just as a task came: the future is given it at once.
    task = future.result()
    task.started(worker)
    return {"taskToken": task.command.token, "input": encode(task.command.arguments)}


def _existing(context: Context, request: Document) -> Document:
    arn = arns.parse(request["activityArn"], ACTIVITY)
    activity = context.store.get(KIND, arn.text)
    if activity is None:
        raise errors.no_activity(arn.text)
    return activity
