"""What each backend does in its own way: a module a backend, imported when it is chosen."""
