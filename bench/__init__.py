"""Measurements, each side by side with its peer in one run. `python -m bench` runs them all (`make bench`)."""
