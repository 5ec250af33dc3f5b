"""Pages about labels of a target."""
