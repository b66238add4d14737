"""A SIGTERM is heard, whatever the main thread waits for and other threads do."""

import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

SIGNALS = 40
# A bound of the test, not a wait: a signal is heard in milliseconds.
SECONDS = 20.0

# The shape of `headrace up` while it builds environments: threads start processes, the main thread waits for them.
PROGRAM = r"""
import os, subprocess, threading
from cli.terminal.interrupts import end_as_by_interrupt

end_as_by_interrupt()

def start_processes():
    while True:
        subprocess.run(["true"])

for _ in range(3):
    threading.Thread(target=start_processes, daemon=True).start()
while True:
    try:
        os.write(1, b"waiting\n")
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
"""


def test_no_sigterm_is_lost_while_other_threads_start_processes() -> None:
    root = Path(__file__).parents[4]
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=root, stdout=subprocess.PIPE)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        for number in range(SIGNALS):
            assert heard(process.stdout.fileno()), f"signal {number} of {SIGNALS} was not heard"
            process.send_signal(signal.SIGTERM)
        assert heard(process.stdout.fileno())


def heard(descriptor: int) -> bool:
    """Tells whether the process says that it waits (again)."""
    ready, _, _ = select.select([descriptor], [], [], SECONDS)
    return bool(ready) and os.read(descriptor, 64) == b"waiting\n"
