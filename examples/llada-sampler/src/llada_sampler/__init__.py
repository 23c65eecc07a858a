"""`llada-sampler`: LLaDA's own way to fill masked slots (paper section 2.3), as a decoder for mindrec-bench.

A sample starts masked. At each step a code is drawn for every masked slot; the n draws that the model is most confident
of stay, and the others are masked again (low-confidence remasking). The category slots are filled first, then the
semantic-ID (SID) slots, as two blocks. Samples know nothing of each other, so they repeat: the distinct ones are ranked
by the sum of the log-probabilities with which their codes were revealed, and there may be fewer of them than asked for.

Forward passes: one for n slots of a block, all samples together. Try
`mrbench run --model markov --decoder llada-sampler`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mindrec_bench.core.protocols import Canvas, Capability, DenoiserContext, Ranking


@dataclass(frozen=True)
class LladaSampler:
    """LLaDA's sampler: at each step the n draws it is most confident of stay, the others are masked again.

    Attributes:
        n: slots revealed a step, 1 or more; the last step of a block takes what is left.
        temperature: codes are drawn from p^(1 / temperature); 0 takes the likeliest, so that all samples are one.
        samples: sequences drawn a user, 1 or more; none: as many as the beam.
    """

    needs: ClassVar[Capability] = "denoiser"

    n: int = 1
    temperature: float = 1.0
    samples: int | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n is {self.n}; it must be 1 or more")
        if self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}; it must be 0 or more")
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples is {self.samples}; it must be 1 or more, or none for as many as the beam")

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """Draw the samples of every user, and return the `beam` best distinct ones, best first.

        Raises:
            ValueError: the users of the batch have different slots revealed.
        """
        from .sampling import distinct_best, sample

        codes, scores = sample(context, canvas, n=self.n, temperature=self.temperature, samples=self.samples or beam)
        return distinct_best(codes, scores, beam=beam)
