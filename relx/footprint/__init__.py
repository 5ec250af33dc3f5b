"""How much memory a training run will take, from config.json alone: no weights, no framework."""
