"""The page about a task's data: labels, lengths, types, entities, words."""
