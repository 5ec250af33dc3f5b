"""Rows of any task: what is checked of them, and what becomes of a file with bad ones."""
