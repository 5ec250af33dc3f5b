"""A small synthetic data set in the competition's form: what `relx demo` and the tests read."""
