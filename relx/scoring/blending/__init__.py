"""Several sets of predictions as one: means, weights, selection, and how far they agree."""
