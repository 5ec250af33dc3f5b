"""The layers that each architecture family computes."""
