"""Tokenizers: item texts and training interactions to semantic IDs (SIDs)."""
