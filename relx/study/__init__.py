"""Studies: a recipe with and without options, over seeds, and what each option changes."""
