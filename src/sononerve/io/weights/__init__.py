"""Foreign weights: the one door by which numbers of other people's networks come in."""
