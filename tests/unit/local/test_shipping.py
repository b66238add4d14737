"""The thread that ships what gathers."""

import threading
from collections.abc import Callable

import pytest

from local.shipping import BatchShipper
from local.store import StoreClosed

_PATIENCE = 30.0


class Parcels:
    """An owner: what was given, and the batches that it was shipped in."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.batches: list[list[int]] = []
        self.shipped = threading.Event()

    def ship(self) -> None:
        batch, self.given = self.given, []
        if batch:
            self.batches.append(batch)
            self.shipped.set()


def shipper(ship: Callable[[], None], gather_seconds: float = 0.0) -> BatchShipper:
    return BatchShipper("test-shipper", ship, gather_seconds)


def test_what_was_put_before_the_start_is_shipped_by_it() -> None:
    parcels = Parcels()
    ours = shipper(parcels.ship)
    parcels.given.append(1)
    ours.wake()
    ours.start()
    assert parcels.shipped.wait(_PATIENCE)
    ours.stop()
    assert parcels.batches == [[1]]


def test_a_batch_gathers_and_a_stop_does_not_wait_for_it() -> None:
    parcels = Parcels()
    ours = shipper(parcels.ship, gather_seconds=3600.0)
    ours.start()
    for number in range(3):
        parcels.given.append(number)
        ours.wake()
    ours.stop()
    assert parcels.batches == [[0, 1, 2]]


def test_a_stop_without_a_start_ships_nothing_and_no_later_start_does() -> None:
    parcels = Parcels()
    ours = shipper(parcels.ship)
    parcels.given.append(1)
    ours.stop()
    ours.start()
    assert parcels.batches == []


def test_a_pause_ends_with_the_stop_and_says_so() -> None:
    paused = threading.Event()
    said: list[bool] = []

    def ship() -> None:
        if not said:
            paused.set()
            said.append(ours.pause(3600.0))

    ours = shipper(ship)
    ours.wake()
    ours.start()
    assert paused.wait(_PATIENCE)
    ours.stop()
    assert said == [True]


def test_a_batch_that_fails_is_logged_and_the_next_one_goes(caplog: pytest.LogCaptureFixture) -> None:
    parcels = Parcels()
    failed = threading.Event()

    def ship() -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError("the first")
        parcels.ship()

    ours = shipper(ship)
    ours.wake()
    ours.start()
    assert failed.wait(_PATIENCE)
    parcels.given.append(1)
    ours.stop()
    assert parcels.batches == [[1]]
    assert "test-shipper could not send a batch" in caplog.text


def test_a_closed_store_ends_the_thread_quietly(caplog: pytest.LogCaptureFixture) -> None:
    asked = threading.Event()

    def ship() -> None:
        asked.set()
        raise StoreClosed

    ours = shipper(ship)
    ours.wake()
    ours.start()
    assert asked.wait(_PATIENCE)
    ours.stop()
    assert caplog.text == ""
