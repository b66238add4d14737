"""What every test starts from."""

import signal

# A shell that runs something in the background has it ignore SIGINT, and so would every program that a test starts and
# ends as Ctrl-C does.
signal.signal(signal.SIGINT, signal.default_int_handler)
