"""Stage 1: masked-LM pretraining on the sentences of the task itself."""
