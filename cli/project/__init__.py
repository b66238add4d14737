"""The checkout that a command works on: its places, its catalogue, its stages, its state machines."""
