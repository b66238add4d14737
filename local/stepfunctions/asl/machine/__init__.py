"""A compiled definition, as the interpreter runs it."""
