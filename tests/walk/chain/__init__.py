"""Two algorithms of a few lines, for the walk of a chain: one finds plates, the other reads the numbers on them."""
