"""Decoders as classifiers: one class by configuration, frozen weights in few bits, adapters."""
