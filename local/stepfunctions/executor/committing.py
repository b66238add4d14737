"""When what posts changed is written: one commit for a whole turn, all of it or nothing.

Many executions share the cost of a commit. What cannot be written is undone in memory, whoever waits for it is told,
and what has to happen is tried again.
"""

import logging
from collections.abc import Callable, Iterator

from local.stepfunctions.executor.live import LiveExecutions
from local.stepfunctions.executor.mailbox import Mailbox, Post
from local.stepfunctions.executor.resuming import Unresumed
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.executor.world import MapRuns
from local.stepfunctions.journal.errors import JournalError, JournalFull, JournalRefused
from local.stepfunctions.journal.journal import Journal

_RETRY_SECONDS = 1.0
"""After a commit that failed, what nobody is told of is tried again."""
_LOG = logging.getLogger("headrace.stepfunctions")


class Commits:
    """Carries posts out in turns. The engine's thread alone uses it."""

    def __init__(
        self, journal: Journal, live: LiveExecutions, unresumed: Unresumed, map_runs: MapRuns, mailbox: Mailbox
    ) -> None:
        self._journal = journal
        self._live = live
        self._unresumed = unresumed
        self._map_runs = map_runs
        self._mailbox = mailbox

    def run(self, posts: list[Post], clock: Callable[[], float]) -> Iterator[Turn]:
        """Yields each turn once it is on the disk: one of all posts, or one of each where they cannot be together."""
        turn = Turn(self._journal, self._live, self._unresumed, clock())
        try:
            for post in posts:
                self._work(turn, post)
            self._journal.commit()
        except JournalRefused as error:
            self._undo(turn)
            yield from self._one_by_one(posts, clock, error)
            return
        except JournalError as error:
            self._undo(turn)
            self._put_off(posts, clock() + _RETRY_SECONDS, error)
            return
        yield turn

    def _work(self, turn: Turn, post: Post) -> None:
        try:
            post.work(turn)
            # A map run that hears of a child may begin others, until all is said.
            while turn.children_over:
                self._map_runs.child_over(turn, turn.children_over.popleft())
        except (JournalFull, JournalRefused):
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a post: the others of its turn go on
            if post.refuse is not None:
                refuse, told = post.refuse, error
                turn.committed.append(lambda: refuse(told))
            else:
                _LOG.exception("a post failed")

    def _undo(self, turn: Turn) -> None:
        """Forgets what is in memory of it: that is not what the journal says."""
        self._journal.rollback()
        for execution in turn.touched:
            self._live.drop(execution)
        self._map_runs.forget()
        self._unresumed.add(turn.resumed)

    def _put_off(self, posts: list[Post], until: float, error: JournalError) -> None:
        _LOG.error("%s", error)
        for post in posts:
            if post.refuse is not None:
                post.refuse(error)
            else:
                self._mailbox.put_off(post, until)

    def _one_by_one(self, posts: list[Post], clock: Callable[[], float], error: JournalRefused) -> Iterator[Turn]:
        """Parts posts of which one cannot be written, whenever it is tried, though the others can."""
        if len(posts) > 1:
            for post in posts:
                yield from self.run([post], clock)
        elif posts[0].refuse is not None:
            posts[0].refuse(error)
        else:
            _LOG.error("given up: %s", error)
