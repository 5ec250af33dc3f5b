"""A run on disk: its lock, its manifest, its stages, and how it is found again."""
