"""The encoder: a Hugging Face folder, a hub id, a KerasHub preset or a fresh one, and back."""
