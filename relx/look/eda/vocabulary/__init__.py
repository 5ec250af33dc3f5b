"""The words of a task's data: counted, compared, drawn."""
