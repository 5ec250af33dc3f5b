"""How labels are chosen of probabilities: one of all, or any number by cut-offs."""
