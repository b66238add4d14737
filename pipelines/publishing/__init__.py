"""Bringing a deployment in line with the project, one kind of thing a module. The door is `catalogue`."""
