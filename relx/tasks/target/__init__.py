"""Labels about a target: a sentence, a word in it or none, and any number of labels, or one."""
