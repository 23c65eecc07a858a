"""`rqvae`: an autoencoder whose bottleneck is a residual quantizer (RQ-VAE; TIGER, Rajput et al., NeurIPS 2023).

    mrbench data tokenize ./mydata --method rqvae
    mrbench data tokenize ./mydata --preset tiger

The loss of TIGER, section 3.1, where sg stops the gradient:
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

from ..plugins.options import option
from .kmeans import nearest
from .quantizer import FloatArray, QuantizationTask, QuantizedItems, Quantizer
from .rqkmeans import residual_k_means
from .training_loop import train

REVIVE_SHARE = 0.9
"""Codes that no item uses are renewed during this first share of the epochs; after that the codebooks only converge."""

START_ITEMS = 1 << 16
"""The codebooks start from k-means of the initial latents of at most this many items."""

ENCODE_BATCH_SIZE = 1 << 14


@dataclass(frozen=True)
class RqVae(Quantizer):
    """RQ-VAE. The defaults train for minutes on a CPU; `--preset tiger` is the paper's training."""

    hidden: str = option("512-256-128", help="widths of the encoder's hidden layers; the decoder has them in reverse.")
    latent: int = option(32, help="width of the latents and the codebooks.")
    beta: float = option(0.25, help="weight of the commitment loss.")
    epochs: int = option(300, help="number of passes over the items.")
    batch: int = option(1024, help="number of items per step.")
    optimizer: Literal["adamw", "adagrad"] = option("adamw", help="optimizer of all weights.")
    lr: float = option(1e-3, help="learning rate.")

    def __post_init__(self) -> None:
        for name in ("latent", "epochs", "batch", "lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.beta < 0:
            raise ValueError(f"beta is {self.beta}; it must be 0 or more")
        if not all(width.isdigit() and int(width) > 0 for width in self.hidden.split("-")):
            raise ValueError(f"hidden is '{self.hidden}'; write widths like 512-256-128")

    def quantize(self, task: QuantizationTask) -> QuantizedItems:
        """See `Quantizer.quantize`."""
        return fit_rqvae(self, task)


class RqVaeOutput(NamedTuple):
    """The outputs of the network for a batch.

    Attributes:
        codes: Shape: (B, M)
        codewords: the codebook vectors of the codes. Shape: (B, M, d)
        residuals: the input of each level of the quantizer. Shape: (B, M, d)
        quantized: sums of the codewords, with the gradient of the latents (straight-through). Shape: (B, d)
        reconstruction: Shape: (B, D)
    """

    codes: Tensor
    codewords: Tensor
    residuals: Tensor
    quantized: Tensor
    reconstruction: Tensor


class ExtraLoss(Protocol):
    """A loss that is added to that of RQ-VAE."""

    def begin_epoch(self, codebooks: Tensor, epoch: int, seed: int) -> None:
        """Called before each epoch. Shape: (M, K, d)"""
        ...

    def loss(self, output: RqVaeOutput, codebooks: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of a batch of items, a scalar."""
        ...


class RqVaeNetwork(nn.Module):
    """Encoder, codebooks and decoder."""

    def __init__(self, width: int, hidden: Sequence[int], latent: int, n_levels: int, codebook_size: int) -> None:
        super().__init__()
        self.encoder = _mlp([width, *hidden, latent])
        self.decoder = _mlp([latent, *reversed(hidden), width])
        self.codebooks = nn.Parameter(torch.zeros(n_levels, codebook_size, latent))

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, codewords and residuals, see `RqVaeOutput`; no gradient flows from a level to the codewords before."""
        left, codes, codewords, residuals = latents, [], [], []
        for codebook in self.codebooks:
            residuals.append(left)
            codes.append(nearest(left.detach(), codebook.detach()))
            codewords.append(codebook[codes[-1]])
            left = left - codewords[-1].detach()
        return torch.stack(codes, dim=1), torch.stack(codewords, dim=1), torch.stack(residuals, dim=1)

    def forward(self, vectors: Tensor) -> RqVaeOutput:
        """Encode, quantize and decode. Shape: (B, D)"""
        latents = self.encoder(vectors)
        codes, codewords, residuals = self.quantize(latents)
        quantized = latents + (codewords.sum(dim=1) - latents).detach()
        return RqVaeOutput(codes, codewords, residuals, quantized, self.decoder(quantized))


def _mlp(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def rqvae_loss(output: RqVaeOutput, vectors: Tensor, beta: float) -> Tensor:
    """TIGER's loss with squared norms averaged over the batch; a scalar."""
    reconstruction = (vectors - output.reconstruction).square().sum(dim=1)
    codebook = (output.residuals.detach() - output.codewords).square().sum(dim=(1, 2))
    commitment = (output.residuals - output.codewords.detach()).square().sum(dim=(1, 2))
    return (reconstruction + codebook + beta * commitment).mean()


class RqVaeObjective:
    """RQ-VAE in the training loop: k-means start, loss, and renewal of codes that no item uses."""

    def __init__(
        self, network: RqVaeNetwork, options: RqVae, task: QuantizationTask, extra_loss: ExtraLoss | None
    ) -> None:
        self.network, self.options, self.task, self.extra_loss = network, options, task, extra_loss
        self.vectors = torch.from_numpy(task.vectors).to(task.device)
        self.used = torch.zeros(network.codebooks.shape[:2], dtype=torch.bool, device=task.device)

    @torch.no_grad()
    def begin(self, generator: torch.Generator) -> None:
        """Initialize the codebooks by residual k-means of the latents."""
        rows = torch.randperm(len(self.vectors), generator=generator)[:START_ITEMS].to(self.task.device)
        latents = self.network.encoder(self.vectors[rows])
        codebooks, _ = residual_k_means(latents, self.task.n_levels, self.task.codebook_size, self.task.seed)
        self.network.codebooks.copy_(codebooks)

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Reset which codes are used."""
        self.used.zero_()
        if self.extra_loss is not None:
            self.extra_loss.begin_epoch(self.network.codebooks.detach(), epoch, self.task.seed)

    def loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of RQ-VAE and the extra loss."""
        vectors = self.vectors[rows]
        output = self.network(vectors)
        self.used[torch.arange(self.task.n_levels, device=rows.device), output.codes] = True
        loss = rqvae_loss(output, vectors, self.options.beta)
        if self.extra_loss is not None:
            loss = loss + self.extra_loss.loss(output, self.network.codebooks, rows, generator)
        return loss

    @torch.no_grad()
    def end_epoch(self, epoch: int, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
        """Move every unused codeword to the residual of a random item, and reset its optimizer state."""
        if epoch + 1 >= REVIVE_SHARE * self.options.epochs or bool(self.used.all()):
            return
        draws = torch.randint(len(self.vectors), self.used.shape, generator=generator).to(self.task.device)
        state = optimizer.state[self.network.codebooks]
        for level, unused in enumerate(~self.used):
            latents = self.network.encoder(self.vectors[draws[level][unused]])
            self.network.codebooks[level, unused] = self.network.quantize(latents)[2][:, level]
            for name, values in state.items():
                if name != "step":
                    values[level, unused] = 0


def fit_rqvae(options: RqVae, task: QuantizationTask, extra_loss: ExtraLoss | None = None) -> QuantizedItems:
    """Train the network and return the items' codes.

    Args:
        options: network and training.
        task: vectors, number of codes, seed, device and limits.
        extra_loss: a loss to add to that of RQ-VAE.

    Raises:
        MrbenchError: training diverged, or its checkpoint can't be written.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        hidden = [int(width) for width in options.hidden.split("-")]
        network = RqVaeNetwork(task.vectors.shape[1], hidden, options.latent, task.n_levels, task.codebook_size)
    network.to(task.device)
    optimizer_class = {"adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad}[options.optimizer]
    optimizer = optimizer_class(network.parameters(), lr=options.lr)
    objective = RqVaeObjective(network, options, task, extra_loss)
    losses = train(objective, optimizer, task, epochs=options.epochs, batch_size=options.batch)
    return _quantize_items(network, task, losses)


@torch.no_grad()
def _quantize_items(network: RqVaeNetwork, task: QuantizationTask, losses: list[float]) -> QuantizedItems:
    chunks = torch.from_numpy(task.vectors).split(ENCODE_BATCH_SIZE)
    latents = torch.cat([network.encoder(chunk.to(task.device)) for chunk in chunks])
    codes, residuals = [], latents
    for codebook in network.codebooks:
        codes.append(nearest(residuals, codebook))
        residuals = residuals - codebook[codes[-1]]

    @torch.no_grad()
    def decode(sums: FloatArray) -> FloatArray:
        chunks = torch.from_numpy(np.ascontiguousarray(sums)).split(ENCODE_BATCH_SIZE)
        return torch.cat([network.decoder(chunk.to(task.device)).cpu() for chunk in chunks]).numpy()

    return QuantizedItems(
        latents.cpu().numpy(),
        network.codebooks.cpu().numpy(),
        torch.stack(codes, dim=1).cpu().numpy(),
        decode,
        training_stats={"epochs": len(losses), "first_loss": losses[0], "last_loss": losses[-1]},
    )
