"""SIGTERM ends a command as Ctrl-C does, whatever its main thread waits for."""

import os
import signal
import threading
import time

_ENDING = {signal.SIGINT, signal.SIGTERM}
_NUDGE = signal.SIGURG
"""Ends a wait and does nothing else: nobody sends it here, and by default it is ignored."""

_PAUSES = (0.0, 0.05, 0.5)


def end_as_by_interrupt() -> None:
    """Has SIGTERM raise KeyboardInterrupt in the main thread, which calls this once.

    Python runs a handler in the main thread when that comes to its next bytecode. The kernel gives a signal to any
    thread, above all when the main thread has another one to take at that moment (SIGCHLD, while other threads start
    processes). Then a main thread that waits without a timeout (a lock, a thread, a pool) does not hear of it: the
    signal is noted and nothing happens. So the interpreter writes each signal's number to a pipe, in whatever thread
    it comes, and who reads there ends the main thread's wait by a signal to that very thread.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(_NUDGE, lambda *_: None)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_nudge, args=(reader, threading.get_ident()), name="interrupts", daemon=True).start()


def _nudge(reader: int, thread: int) -> None:
    while numbers := os.read(reader, 64):
        if _ENDING.isdisjoint(numbers):
            continue
        for pause in _PAUSES:
            # More than once: the main thread may have looked for signals before this one came, and wait only now.
            time.sleep(pause)
            signal.pthread_kill(thread, _NUDGE)
