"""Pages of relation extraction: reports, comparisons, attention."""
