"""Runs executions: one thread moves them all, and the journal has every step before anyone can see it.

`executor.py` is the door and the loop. What is asked comes through `mailbox.py`; a `turn.py` is what happens between
two commits, which `committing.py` makes; `commands.py` carries out what follows, `upkeep.py` resumes and prunes.
"""
