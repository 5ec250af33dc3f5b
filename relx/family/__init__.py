"""The two families of models, as training and prediction see them."""
