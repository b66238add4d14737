"""What executions did, kept in one SQLite file. After a crash it is the only truth.

`schema.py` opens the file, `codec.py` writes and reads records, `journal.py` is the one writer (the engine's thread),
`reading.py` is for everyone else.
"""
