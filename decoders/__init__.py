"""Decoders: one module per registered name; `search` holds the parts that they share."""
