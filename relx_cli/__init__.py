"""The front door: one command a file; each parses, calls and prints."""
