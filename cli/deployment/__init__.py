"""Where commands act: the account of a stage or the local cloud, and the project's catalogue in it."""
