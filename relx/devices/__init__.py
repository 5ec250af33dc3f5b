"""What there is to compute on, how fast it is, and how much it holds."""
