"""relx: relation extraction from a folder of CSV files to a submission, in Keras."""
