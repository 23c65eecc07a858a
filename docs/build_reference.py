"""Build the API reference from the docstrings: `python docs/build_reference.py [FOLDER]`, by default build/reference.

It needs pdoc (`pip install -c constraints.txt '.[docs]'`). A warning of pdoc ends it with an error.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import get_type_hints

FOLDER = Path(__file__).resolve().parent.parent / "build" / "reference"

MODULES = (
    "mindrec_bench.api",
    "mindrec_bench.core.protocols",
    "mindrec_bench.core.backbone",
    "mindrec_bench.core.dataset",
    "mindrec_bench.core.choices",
    "mindrec_bench.core.code_space",
    "mindrec_bench.core.catalogue",
    "mindrec_bench.core.devices",
    "mindrec_bench.core.lifting",
    "mindrec_bench.core.constraint",
    "mindrec_bench.core.random_bits",
    "mindrec_bench.plugins.registry",
    "mindrec_bench.plugins.options",
    "mindrec_bench.errors",
    "mindrec_bench.testing",
    "mindrec_bench.testing.models",
    "mindrec_bench.testing.decoders",
    "mindrec_bench.testing.backbones",
    "mindrec_bench.metrics.accuracy",
    "mindrec_bench.metrics.diversity",
    "mindrec_bench.metrics.lists",
    "mindrec_bench.metrics.search_error",
    "mindrec_bench.stats.paired_tests",
    "mindrec_bench.stats.diversity_tests",
    "mindrec_bench.stats.comparison",
    "mindrec_decoders.search.diffusion_search",
    "mindrec_decoders.search.expansion",
    "mindrec_decoders.search.pruning",
    "mindrec_decoders.search.results",
    "mindrec_decoders.search.scores",
)
"""The modules that notebooks and packages of others import."""


def main(folder: Path = FOLDER) -> None:
    """Write the pages."""
    import pdoc

    from mindrec_bench.api import ExperimentConfig

    # pdoc looks for the names in inherited annotations in the module of the subclass, and warns.
    ExperimentConfig.__init__.__annotations__ = get_type_hints(ExperimentConfig)
    pdoc.render.configure(docformat="google", show_source=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc(*MODULES, output_directory=folder)
    print(folder / "index.html")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
