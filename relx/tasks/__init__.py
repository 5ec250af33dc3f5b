"""What tells one task from another: how its rows are read, shown and answered."""
