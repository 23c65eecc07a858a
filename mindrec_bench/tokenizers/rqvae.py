"""`rqvae`: an autoencoder whose bottleneck is a residual quantiser (RQ-VAE; TIGER, Rajput et al., NeurIPS 2023).

    mrbench data tokenize ./mydata --method rqvae
    mrbench data tokenize ./mydata --preset tiger

The loss of TIGER's section 3.1, sg stopping the gradient:
|x - decoder(sum of e_l)|^2 + sum over levels l of (|sg[r_l] - e_l|^2 + beta |r_l - sg[e_l]|^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from .kmeans import nearest
from .quantised import Float, Job, Quantised
from .rqkmeans import residual_k_means
from .training import train

REVIVE_SHARE = 0.9
"""Codes that no item uses are renewed in this first share of the epochs; after that codebooks only settle."""

START_ITEMS = 1 << 16
"""The codebooks start at the k-means of so many items' first latent vectors."""

ENCODE_BATCH = 1 << 14


@dataclass(frozen=True)
class RqVae:
    """RQ-VAE. The defaults are sized for minutes on a CPU; `--preset tiger` is the paper's training.

    Attributes:
        hidden: widths of the encoder's hidden layers, the decoder's reversed.
        latent: width of the latent vectors and codebooks.
        beta: weight of the commitment loss.
        epochs: passes over the items.
        batch: items a step.
        optimizer: of all weights.
        lr: its learning rate.
    """

    hidden: str = "512-256-128"
    latent: int = 32
    beta: float = 0.25
    epochs: int = 300
    batch: int = 1024
    optimizer: Literal["adamw", "adagrad"] = "adamw"
    lr: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("latent", "epochs", "batch", "lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.beta < 0:
            raise ValueError(f"beta is {self.beta}; it must be 0 or more")
        if not all(part.isdigit() and int(part) > 0 for part in self.hidden.split("-")):
            raise ValueError(f"hidden is '{self.hidden}'; write widths like 512-256-128")

    def quantise(self, job: Job) -> Quantised:
        """See `Method`."""
        return fit(self, job)


class Pass(NamedTuple):
    """One batch through the network.

    Attributes:
        codes: Shape: (B, M)
        chosen: the codebook vectors of the codes. Shape: (B, M, d)
        residuals: what each level was to code. Shape: (B, M, d)
        quantised: sums of the codebook vectors, with the gradient of the latents (straight-through). Shape: (B, d)
        rebuilt: Shape: (B, D)
    """

    codes: Tensor
    chosen: Tensor
    residuals: Tensor
    quantised: Tensor
    rebuilt: Tensor


class Term(Protocol):
    """An additional loss."""

    def begin_epoch(self, codebooks: Tensor, epoch: int, seed: int) -> None:
        """Before each epoch. Shape: (M, K, d)"""
        ...

    def loss(self, passed: Pass, codebooks: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Of a batch of items, a scalar."""
        ...


class Network(nn.Module):
    """Encoder, codebooks, decoder."""

    def __init__(self, width: int, hidden: Sequence[int], latent: int, levels: int, codes: int) -> None:
        super().__init__()
        self.encoder = _layers([width, *hidden, latent])
        self.decoder = _layers([latent, *reversed(hidden), width])
        self.codebooks = nn.Parameter(torch.zeros(levels, codes, latent))

    def quantise(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, codebook vectors, residuals; see `Pass`. No level's choice pulls at the levels after it."""
        left, codes, chosen, residuals = latents, [], [], []
        for book in self.codebooks:
            residuals.append(left)
            codes.append(nearest(left.detach(), book.detach()))
            chosen.append(book[codes[-1]])
            left = left - chosen[-1].detach()
        return torch.stack(codes, dim=1), torch.stack(chosen, dim=1), torch.stack(residuals, dim=1)

    def forward(self, vectors: Tensor) -> Pass:
        """Through the whole. Shape: (B, D)"""
        latents = self.encoder(vectors)
        codes, chosen, residuals = self.quantise(latents)
        quantised = latents + (chosen.sum(dim=1) - latents).detach()
        return Pass(codes, chosen, residuals, quantised, self.decoder(quantised))


def _layers(widths: Sequence[int]) -> nn.Sequential:
    steps: list[nn.Module] = []
    for before, after in pairwise(widths):
        steps += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*steps[:-1])


def quantiser_loss(passed: Pass, vectors: Tensor, beta: float) -> Tensor:
    """TIGER's loss, squared norms averaged over the batch; a scalar."""
    rebuilt = (vectors - passed.rebuilt).square().sum(dim=1)
    codebook = (passed.residuals.detach() - passed.chosen).square().sum(dim=(1, 2))
    commitment = (passed.residuals - passed.chosen.detach()).square().sum(dim=(1, 2))
    return (rebuilt + codebook + beta * commitment).mean()


class _Objective:
    """RQ-VAE in the training loop: k-means start, loss, and new places for codes that no item uses."""

    def __init__(self, network: Network, options: RqVae, job: Job, term: Term | None) -> None:
        self.network, self.options, self.job, self.term = network, options, job, term
        self.vectors = torch.from_numpy(job.vectors).to(job.device)
        self.used = torch.zeros(network.codebooks.shape[:2], dtype=torch.bool, device=job.device)

    @torch.no_grad()
    def begin(self, generator: torch.Generator) -> None:
        """Residual k-means of the latents places the codebooks."""
        rows = torch.randperm(len(self.vectors), generator=generator)[:START_ITEMS].to(self.job.device)
        latents = self.network.encoder(self.vectors[rows])
        books, _ = residual_k_means(latents, self.job.levels, self.job.size, self.job.seed)
        self.network.codebooks.copy_(books)

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Forget which codes were used."""
        self.used.zero_()
        if self.term is not None:
            self.term.begin_epoch(self.network.codebooks.detach(), epoch, self.job.seed)

    def loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """TIGER's loss and the additional term."""
        vectors = self.vectors[rows]
        passed = self.network(vectors)
        self.used[torch.arange(self.job.levels, device=rows.device), passed.codes] = True
        loss = quantiser_loss(passed, vectors, self.options.beta)
        if self.term is not None:
            loss = loss + self.term.loss(passed, self.network.codebooks, rows, generator)
        return loss

    @torch.no_grad()
    def end_epoch(self, epoch: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Put every unused code on a random item's residual, and let its optimiser state start anew."""
        if epoch + 1 >= REVIVE_SHARE * self.options.epochs or bool(self.used.all()):
            return
        draws = torch.randint(len(self.vectors), self.used.shape, generator=generator).to(self.job.device)
        state = optimizer.state[self.network.codebooks]
        for level, dead in enumerate(~self.used):
            latents = self.network.encoder(self.vectors[draws[level][dead]])
            self.network.codebooks[level, dead] = self.network.quantise(latents)[2][:, level]
            for name, values in state.items():
                if name != "step":
                    values[level, dead] = 0


def fit(options: RqVae, job: Job, term: Term | None = None) -> Quantised:
    """Train the network and read the items' codes off it.

    Args:
        options: how.
        job: what.
        term: an additional loss.

    Raises:
        MrbenchError: training diverged, or its checkpoint can't be written.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        hidden = [int(part) for part in options.hidden.split("-")]
        network = Network(job.vectors.shape[1], hidden, options.latent, job.levels, job.size)
    network.to(job.device)
    kind = {"adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad}[options.optimizer]
    optimizer = kind(network.parameters(), lr=options.lr)
    losses = train(_Objective(network, options, job, term), optimizer, job, epochs=options.epochs, batch=options.batch)
    return _quantised(network, job, losses)


@torch.no_grad()
def _quantised(network: Network, job: Job, losses: list[float]) -> Quantised:
    parts = torch.from_numpy(job.vectors).split(ENCODE_BATCH)
    latents = torch.cat([network.encoder(part.to(job.device)) for part in parts])
    codes, left = [], latents
    for book in network.codebooks:
        codes.append(nearest(left, book))
        left = left - book[codes[-1]]

    @torch.no_grad()
    def decode(sums: Float) -> Float:
        parts = torch.from_numpy(np.ascontiguousarray(sums)).split(ENCODE_BATCH)
        return torch.cat([network.decoder(part.to(job.device)).cpu() for part in parts]).numpy()

    return Quantised(
        latents.cpu().numpy(),
        network.codebooks.cpu().numpy(),
        torch.stack(codes, dim=1).cpu().numpy(),
        decode,
        facts={"epochs": len(losses), "first_loss": losses[0], "last_loss": losses[-1]},
    )
