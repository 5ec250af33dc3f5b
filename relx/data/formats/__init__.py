"""Data files whose cells have types, Parquet and Excel, read as what their text would mean."""
