"""Figures that say how good predictions are, with their curves and intervals."""
