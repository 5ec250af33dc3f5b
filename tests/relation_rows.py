"""Reads files of relations for tests."""

from relx.data.table import open_table
from relx.tasks.relation.rows import scan_examples


def scanned(path, data, labels, **options):
    """Reads a whole file, and keeps the faults of its rows."""
    table = open_table(path, data.encoding, data.sheet)
    return scan_examples(table, data, labels, **options).whole()
