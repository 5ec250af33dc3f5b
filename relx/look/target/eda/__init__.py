"""The page about targets and their labels: what is in a recipe's data."""
