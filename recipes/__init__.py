"""The recipes that ship with relx."""
