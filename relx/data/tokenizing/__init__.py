"""From texts to tokens: what a tokenizer knows, where spans are in its tokens, and what is kept."""
