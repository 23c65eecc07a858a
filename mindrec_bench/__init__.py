"""mindrec-bench: compare decoders and baselines for generative recommendation, and trust the answer."""

from importlib.metadata import version

__version__ = version("mindrec-bench")
