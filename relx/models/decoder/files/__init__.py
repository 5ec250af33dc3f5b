"""Decoders on disk: loading, keeping, saving, adapters and merging."""
