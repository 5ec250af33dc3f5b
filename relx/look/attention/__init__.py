"""What a run's encoder attends to, whatever a row asks: heat maps, and a page to choose them in."""
