"""Relations as other programs keep them: data sets of the field, and annotation tools."""
