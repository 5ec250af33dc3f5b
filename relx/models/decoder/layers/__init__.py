"""The layers of decoders: attention, norms, linear parts with few bits and adapters."""
