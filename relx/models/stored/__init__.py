"""Models on disk, of whichever family: where they are, their weight files and their tokenizers."""
