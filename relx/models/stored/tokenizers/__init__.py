"""The tokenizer of an encoder: read, made and written."""
