"""TestState: one state, tried by itself, with what the world would answer given along."""
