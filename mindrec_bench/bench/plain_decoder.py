"""A plain implementation of decoding, read from a file: what `mrbench bench --plain FILE.py` compares with."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch

from ..errors import UsageError
from .cases import BenchmarkCase


@dataclass(frozen=True)
class PlainDecoder:
    """A module with `decode(network, histories, rule, beam)` and `RULES`, whose keys are the decoders it implements."""

    module: Any

    @classmethod
    def read(cls, path: Path) -> PlainDecoder:
        """Import a file.

        Raises:
            UsageError: it can't be imported, or lacks one of the two names.
        """
        spec = spec_from_file_location("mrbench_plain_decoder", path)
        try:
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[spec.name] = module_from_spec(spec)  # dataclasses look up their module
            spec.loader.exec_module(module)
            _ = module.decode, module.RULES
        except Exception as error:
            raise UsageError(f"--plain {path} is not a Python file with `decode` and `RULES`: {error!r}") from error
        return cls(module)

    def supports(self, case: BenchmarkCase) -> bool:
        """Whether it implements the case: a masked model with a `network`, all slots open, no catalogue constraint."""
        batch_decoder = case.batch_decoder
        return (
            batch_decoder.capability == "denoiser"
            and hasattr(case.loaded_model, "network")
            and case.decoder in self.module.RULES
            and batch_decoder.categories in ("none", "generate")
            and batch_decoder.constrain == "slots"
        )

    def seconds(self, case: BenchmarkCase) -> float:
        """Wall time of one batch."""
        start = time.perf_counter()
        with torch.inference_mode():
            model: Any = case.loaded_model
            self.module.decode(model.network, case.examples.histories, case.decoder, case.batch_decoder.beam)
        if case.batch_decoder.device != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter() - start
