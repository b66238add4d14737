import threading

from local.stepfunctions.integrations.lanes import Lanes
from local.stepfunctions.integrations.waiting import FIRST_SECONDS, LONGEST_SECONDS, Waits, longer

_SECONDS = 10.0


def test_one_lane_does_so_many_things_at_once_and_not_more() -> None:
    lanes, entered, release = Lanes(width=3), threading.Semaphore(0), threading.Event()
    running, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        entered.release()
        assert release.wait(_SECONDS)
        with lock:
            running[0] -= 1

    for _ in range(9):
        lanes.submit("a", work)
    for _ in range(3):
        assert entered.acquire(timeout=_SECONDS)
    release.set()
    for _ in range(6):
        assert entered.acquire(timeout=_SECONDS)
    lanes.close(_SECONDS)
    assert most == [3]


def test_work_that_waits_for_another_lane_gets_its_answer_however_full_its_own_is() -> None:
    lanes, done = Lanes(width=1), threading.Event()

    def outer() -> None:
        inner = threading.Event()
        lanes.submit("inner", inner.set)
        assert inner.wait(_SECONDS)
        done.set()

    lanes.submit("outer", outer)
    lanes.submit("outer", lambda: None)
    assert done.wait(_SECONDS)
    lanes.close(_SECONDS)


def test_threads_end_when_there_is_nothing_to_do() -> None:
    lanes, worker = Lanes(idle_seconds=0.01), []
    seen = threading.Event()

    def work() -> None:
        worker.append(threading.current_thread())
        seen.set()

    lanes.submit("a", work)
    assert seen.wait(_SECONDS)
    worker[0].join(_SECONDS)
    assert not worker[0].is_alive()
    seen.clear()
    lanes.submit("a", work)
    assert seen.wait(_SECONDS)
    lanes.close(_SECONDS)
    assert not worker[1].is_alive()


def test_idle_thread_takes_the_next_work() -> None:
    lanes, workers, seen = Lanes(width=8), set(), threading.Semaphore(0)
    idle = threading.Event()

    def work() -> None:
        workers.add(threading.get_ident())
        seen.release()

    for _ in range(20):
        lanes.submit("a", work)
        assert seen.acquire(timeout=_SECONDS)
        idle.wait(0.002)
    lanes.close(_SECONDS)
    assert len(workers) < 8


def test_closed_lanes_drop_what_has_not_begun() -> None:
    lanes, begun, release, dropped = Lanes(width=1), threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        release.wait(_SECONDS)

    lanes.submit("a", first)
    assert begun.wait(_SECONDS)
    lanes.submit("a", dropped.set)
    closing = threading.Thread(target=lanes.close, args=(_SECONDS,))
    closing.start()
    lanes.submit("b", dropped.set)
    release.set()
    closing.join(_SECONDS)
    assert not closing.is_alive()
    assert not dropped.is_set()


def test_work_that_raises_leaves_its_lane_to_the_next() -> None:
    lanes, done = Lanes(width=1), threading.Event()

    def broken() -> None:
        raise RuntimeError("broken")

    lanes.submit("a", broken)
    lanes.submit("a", done.set)
    assert done.wait(_SECONDS)
    lanes.close(_SECONDS)


def test_waits_come_due_in_order_on_one_thread() -> None:
    waits, order, done = Waits(), [], threading.Event()
    threads = set()

    def note(name: str) -> None:
        threads.add(threading.get_ident())
        order.append(name)
        if len(order) == 3:
            done.set()

    for name, delay in (("last", 0.06), ("first", 0.0), ("second", 0.03)):
        waits.after(delay, lambda name=name: note(name))  # type: ignore[misc]
    assert done.wait(_SECONDS)
    waits.close(_SECONDS)
    assert order == ["first", "second", "last"]
    assert len(threads) <= 2


def test_delays_grow_to_a_bound() -> None:
    delay = FIRST_SECONDS
    for _ in range(20):
        assert longer(delay) >= delay
        delay = longer(delay)
    assert delay == LONGEST_SECONDS
