"""The `headrace` command. Start reading at `main.py`; each command is a module of its name."""
