"""Hyperparameter tuning jobs: training jobs with one set of values each, until the limits of the tuning job are met.

`kind.py` is the work, over `rules.py` (what is refused), `definitions.py` (what is asked for; `ranges.py`), `trials.py`
(the training jobs), `choice.py` (which values come next; `strategies.py`) and `description.py` (what is told of it).

All that a tuning job knows is in its training jobs' documents, written with each of them: after a kill -9 it goes on
from there, and what was interrupted is tried again with the same values.
"""
