"""What the engine is asked, on its way from any thread to the engine's own."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from local.stepfunctions.executor.errors import ExecutorStopped
from local.stepfunctions.executor.turn import Turn

Work = Callable[[Turn], object]


@dataclass(frozen=True, slots=True)
class Post:
    """Something to do in a turn."""

    work: Work
    refuse: Callable[[BaseException], None] | None = None
    """Tells who waits for it. None: it has to happen, so it is tried again."""


class Mailbox:
    """Posts in the order in which they came. `put` may be called by any thread, all else by the engine's."""

    def __init__(self) -> None:
        self._posts: SimpleQueue[Post | None] = SimpleQueue()
        self._late: deque[tuple[float, Post]] = deque()
        self.closing = False

    def put(self, post: Post) -> None:
        if not self.closing:
            self._posts.put(post)
        elif post.refuse is not None:
            post.refuse(_stopping())

    def put_off(self, post: Post, until: float) -> None:
        """Keeps a post that could not be committed."""
        self._late.append((until, post))

    def close(self) -> None:
        """Takes nothing more, and ends the wait of the engine's thread."""
        self.closing = True
        self._posts.put(None)

    def next_late(self) -> float:
        """Returns when the first post is due that was put off; infinity where none was."""
        return self._late[0][0] if self._late else float("inf")

    def take(self, seconds: float, limit: int) -> list[Post]:
        """Waits at most so long for a first post, and returns it with those behind it."""
        posts: list[Post] = []
        try:
            post = self._posts.get(timeout=seconds)
            while post is not None:
                posts.append(post)
                if len(posts) == limit:
                    break
                post = self._posts.get_nowait()
        except Empty:
            pass
        return posts

    def take_late(self, now: float) -> Iterator[Post]:
        while self._late and self._late[0][0] <= now:
            yield self._late.popleft()[1]

    def refuse_the_rest(self) -> None:
        """Tells everybody whose post nobody will take any more."""
        while True:
            try:
                post = self._posts.get_nowait()
            except Empty:
                return
            if post is not None and post.refuse is not None:
                post.refuse(_stopping())


def _stopping() -> ExecutorStopped:
    return ExecutorStopped("the local cloud is stopping")
