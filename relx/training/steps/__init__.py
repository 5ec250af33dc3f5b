"""Training steps that compute more than a forward and a backward pass."""
