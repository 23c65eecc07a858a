"""The concepts that everything else builds on, and all that a plugin imports: `from mindrec_bench.core import Canvas`.

Importing this package imports no torch.
"""

from .backbone import Backbone, DataSource, FitReport, Task
from .code_space import MASK, CodeSpace
from .dataset import Dataset, Examples, ExternalIds, Histories, ItemTexts
from .protocols import (
    Canvas,
    Capability,
    CausalContext,
    Decoder,
    DenoiserContext,
    ItemsContext,
    Model,
    Ranking,
)

__all__ = [
    "MASK",
    "Backbone",
    "Canvas",
    "Capability",
    "CausalContext",
    "CodeSpace",
    "DataSource",
    "Dataset",
    "Decoder",
    "DenoiserContext",
    "Examples",
    "ExternalIds",
    "FitReport",
    "Histories",
    "ItemTexts",
    "ItemsContext",
    "Model",
    "Ranking",
    "Task",
]
