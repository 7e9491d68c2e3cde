"""Studies: what is run, where its results lie, and what is told of them."""
