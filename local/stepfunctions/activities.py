"""Activity tasks and the workers that poll for them: whichever comes first waits, and no thread with it.

Nothing here has to outlive the process: after a restart the executor asks once more for what nobody had taken.
"""

import threading
from collections import OrderedDict, defaultdict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.stepfunctions.executor.tasks import ScheduledTask


@dataclass(frozen=True, slots=True, eq=False)
class Poll:
    """A worker that waits."""

    activity: str
    future: "Future[ScheduledTask]" = field(default_factory=Future)


class Activities:
    """Thread-safe; nothing in it blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: defaultdict[str, OrderedDict[str, ScheduledTask]] = defaultdict(OrderedDict)
        self._activity: dict[str, str] = {}
        """Of each task that waits, by its key."""
        self._polls: defaultdict[str, deque[Poll]] = defaultdict(deque)
        self._closed = False

    def offer(self, task: "ScheduledTask") -> None:
        """Offers a task. One that a worker took before a crash is not offered again: its token is with that worker."""
        if not task.command.started:
            self._hand(task)

    def cancel(self, key: str) -> None:
        """Withdraws a task that nobody waits for any more."""
        with self._lock:
            activity = self._activity.pop(key, None)
            if activity is not None:
                self._tasks[activity].pop(key, None)

    def poll(self, activity: str) -> Poll:
        """Takes in a worker: its future is given the oldest task, now or later; or it is cancelled."""
        poll = Poll(activity)
        with self._lock:
            tasks = self._tasks[activity]
            key, task = tasks.popitem(last=False) if tasks else ("", None)
            self._activity.pop(key, None)
            if task is None and not self._closed:
                self._polls[activity].append(poll)
                return poll
        if task is None:
            poll.future.cancel()
        else:
            poll.future.set_result(task)
        return poll

    def waiting(self, activity: str) -> int:
        """Returns how many workers wait."""
        with self._lock:
            return len(self._polls[activity])

    def leave(self, poll: Poll) -> bool:
        """Lets a worker wait no longer. False where it need not: its future is done, or will be at once."""
        with self._lock:
            polls = self._polls[poll.activity]
            if poll not in polls:
                return False
            polls.remove(poll)
            return True

    def give_back(self, poll: Poll) -> None:
        """Takes back from a worker that has gone; a task that was handed to it is the next one's."""
        if not self.leave(poll):
            poll.future.add_done_callback(lambda future: None if future.cancelled() else self._hand(future.result()))

    def close(self) -> None:
        """Workers that wait are told that there is no task."""
        with self._lock:
            self._closed = True
            polls = [poll for waiting in self._polls.values() for poll in waiting]
            self._polls.clear()
        for poll in polls:
            poll.future.cancel()

    def _hand(self, task: "ScheduledTask") -> None:
        activity = task.command.resource.arn
        with self._lock:
            polls = self._polls[activity]
            poll = polls.popleft() if polls else None
            if poll is None:
                self._tasks[activity][task.key] = task
                self._activity[task.key] = activity
        if poll is not None:
            poll.future.set_result(task)
