"""The own images of a catalogue as a plan. `headrace images` prints it or carries it out with the same requests."""
