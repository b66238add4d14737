"""The `headrace` command. Start reading at `main.py`; `commands/` has them as they are typed."""
