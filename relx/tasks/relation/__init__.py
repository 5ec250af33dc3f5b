"""Relation extraction: a subject, an object, and one of several labels."""
