"""A small synthetic data set of emotions about targets: what `relx demo emotion` reads."""
