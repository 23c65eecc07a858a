"""What decoders are made of: one beam search, its expansions and pruning rules, and rescoring of its results."""
