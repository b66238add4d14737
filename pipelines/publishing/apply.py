"""A plan, made true step by step: each is told when it is done, and what a refusal left is told with it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.problems import PublishError
from pipelines.progress import Progress
from pipelines.publishing.changes import Change, Kind, Plan, Step
from pipelines.publishing.publication import refusal

_UPLOADERS: Final = 8


def apply(plan: Plan, progress: Progress) -> None:
    """Makes a plan true, step by step. Raises PublishError with the refusal and what was done before it."""
    done: list[Change] = []
    sizes = [change.size or 0 for change in plan.changed if change.kind is Kind.SOURCE]
    if sizes:
        progress(f"uploading {len(sizes)} sources, {sum(sizes):,} bytes")
    try:
        for step in _applied(plan.pending):
            done.append(step.change)
            progress(f"{step.change.kind} {step.change.name} {step.change.action.done}")
    except PublishError as error:
        raise PublishError(f"{error} ({_so_far(done)}; publish again to go on)") from error
    except KeyboardInterrupt:
        progress(f"stopped: {_so_far(done)} of {len(plan.pending)} changes; publish again to go on")
        raise


def _applied(steps: Iterable[Step]) -> Iterator[Step]:
    """Applies steps and yields each when it is done: uploads, which refer to nothing, side by side; others in order."""
    uploads = [step for step in steps if step.change.kind is Kind.SOURCE]
    with ThreadPoolExecutor(_UPLOADERS) as pool:
        futures = {pool.submit(_apply, step): step for step in uploads}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        finally:
            # After a refusal or Ctrl-C nothing new is started, and what is on its way is waited for.
            pool.shutdown(cancel_futures=True)
    for step in steps:
        if step.change.kind is not Kind.SOURCE:
            _apply(step)
            yield step


def _apply(step: Step) -> None:
    try:
        step.apply()
    except (ClientError, BotoCoreError) as error:
        raise PublishError(f"{refusal(error)}: at {step.change.kind} {step.change.name}") from error


def _so_far(done: Sequence[Change]) -> str:
    """Returns what was done: `3 sources created, 1 pipeline updated`."""
    counts = Counter((change.kind, change.action) for change in done)
    said = [f"{count} {kind}{'' if count == 1 else 's'} {action.done}" for (kind, action), count in counts.items()]
    return f"done before: {', '.join(said) or 'nothing'}"
