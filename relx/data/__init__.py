"""Rows of a table, their labels and splits, and the tokens and batches that are made of them."""
