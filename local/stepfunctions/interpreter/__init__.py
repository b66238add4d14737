"""Runs a compiled definition, purely.

What happened goes in (`stimuli.py`), with the time and the few effects an execution cannot know; history events
(`events.py`) and commands (`commands.py`) come out. An execution's state (`execution.py`) is what its events make of
it, live and when a journal is replayed alike. Start reading at `interpreter.py`; `redriving.py` takes up again what had
failed.
"""
