"""What computes logits: an encoder and the classifier on top of it."""
