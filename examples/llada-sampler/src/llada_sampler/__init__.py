"""`llada-sampler`: LLaDA's own way to fill masked slots (paper section 2.3), as a decoder for mindrec-bench.

A sample starts fully masked. At each step a code is drawn for every masked slot; the n draws that the model is most
confident of are kept, and the others are masked again (low-confidence remasking). The category slots are filled first,
then the semantic-ID (SID) slots, as two blocks. Samples are independent, so they repeat: the distinct ones are ranked
by the sum of the log-probabilities with which their codes were revealed, and there may be fewer of them than asked for.

Forward passes: one per n slots of a block, for all samples together. Example:
`mrbench run --model markov --decoder llada-sampler`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mindrec_bench.core.protocols import Canvas, Capability, DenoiserContext, Ranking
from mindrec_bench.plugins.options import option


@dataclass(frozen=True)
class LladaSampler:
    """LLaDA's sampler: each step keeps the n draws that the model is most confident of and masks the others again."""

    needs: ClassVar[Capability] = "denoiser"

    n: int = option(1, help="slots revealed per step, 1 or more; the last step of a block fills the remaining slots.")
    temperature: float = option(
        1.0, help="codes are drawn from p^(1 / temperature); 0 takes the most likely, which makes all samples equal."
    )
    samples: int | None = option(None, help="sequences drawn per user, 1 or more; none: as many as the beam.")

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n is {self.n}; it must be 1 or more")
        if self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}; it must be 0 or more")
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples is {self.samples}; it must be 1 or more, or none for as many as the beam")

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """Draw the samples of every user and return the `beam` best distinct ones, best first.

        Raises:
            ValueError: the users of the batch have different slots revealed.
        """
        from .sampling import best_distinct, draw_samples

        samples = draw_samples(context, canvas, n=self.n, temperature=self.temperature, n_samples=self.samples or beam)
        return best_distinct(samples, beam=beam)
