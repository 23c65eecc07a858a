"""LLaDA-style masked diffusion over codes (paper 3.1, eq. 5 and 7): Llama blocks with full attention.

    mrbench run --model llada --decoder dbs-penalty --data arts

The network is in `code_network`, the objective in `diffusion`, training in `training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mindrec_bench.contracts import Capability, FitReport, Histories, Model, Task

if TYPE_CHECKING:
    from torch import Tensor

    from .code_network import CodeNetwork
    from .training import Collate


@dataclass(frozen=True)
class _Defaults:
    """What an option that is None means at a size."""

    layers: int
    hidden: int
    heads: int
    lr: float
    epochs: int
    batch: int
    dropout: float
    weight_decay: float


SIZES = {
    "tiny": _Defaults(layers=2, hidden=64, heads=4, lr=3e-3, epochs=15, batch=128, dropout=0.1, weight_decay=0.01),
    "small": _Defaults(layers=4, hidden=128, heads=4, lr=1.5e-3, epochs=30, batch=128, dropout=0.1, weight_decay=0.1),
}


@dataclass(frozen=True)
class Llada:
    """Masked diffusion over codes with full attention: Llama blocks, any slot from the history and the revealed codes.

    Attributes:
        p_mask: the smallest masking probability in training, 0 < p_mask <= 1.
        lr: peak learning rate; None here and below: the size's own.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation loss before training stops.
        dropout: on the inputs and the last hidden states.
        weight_decay: of AdamW.
        shuffle: a new order each epoch; no: the order of users, as released.
    """

    p_mask: float = 0.6
    lr: float | None = None
    epochs: int | None = None
    batch: int | None = None
    patience: int = 5
    dropout: float | None = None
    weight_decay: float | None = None
    shuffle: bool = True

    capability: ClassVar[Capability] = "denoiser"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small")

    def __post_init__(self) -> None:
        _check("p_mask", self.p_mask, 0 < self.p_mask <= 1, "above 0, at most 1")
        _check("lr", self.lr, self.lr is None or self.lr > 0, "above 0")
        _check("epochs", self.epochs, self.epochs is None or self.epochs >= 1, "1 or more")
        _check("batch", self.batch, self.batch is None or self.batch >= 1, "1 or more")
        _check("patience", self.patience, self.patience >= 1, "1 or more")
        _check("dropout", self.dropout, self.dropout is None or 0 <= self.dropout < 1, "at least 0, below 1")
        _check("weight_decay", self.weight_decay, self.weight_decay is None or self.weight_decay >= 0, "0 or more")

    def at(self, size: str) -> Llada:
        """The options with the size's own where they are None."""
        own = SIZES[size]
        names = ("lr", "epochs", "batch", "dropout", "weight_decay")
        return replace(self, **{name: getattr(own, name) for name in names if getattr(self, name) is None})

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train from scratch; see `training.fit`.

        Raises:
            MrbenchError: the folder can't be written.
        """
        from . import training

        filled: Any = self.at(task.size)
        recipe = training.Recipe(
            lr=filled.lr,
            epochs=filled.epochs,
            batch=filled.batch,
            patience=self.patience,
            weight_decay=filled.weight_decay,
            shuffle=self.shuffle,
            eval_repeats=2,
        )
        train, valid = (self._collate(task, stream) for stream in (0, 1))
        return training.fit(self._network(task), recipe, task, folder, train=train, valid=valid)

    def load(self, task: Task, folder: Path) -> Model:
        """The network with the best weights.

        Raises:
            DataError: there are none in `folder`, or they are damaged or belong to other slots or another size.
        """
        from . import weights

        network = self._network(task)
        weights.load(folder, task, network)
        return LladaModel(network.to(task.device).eval())

    def _network(self, task: Task) -> CodeNetwork:
        import torch

        from .code_network import CodeNetwork, Shape

        size, dropout = SIZES[task.size], self.at(task.size).dropout
        assert dropout is not None
        torch.manual_seed(task.seed)
        return CodeNetwork(task.space, Shape(size.layers, size.hidden, size.heads), dropout)

    def _collate(self, task: Task, stream: int) -> Collate:
        import torch

        from .diffusion import mask_targets
        from .noise import uniform

        def collate(examples: Any, keys: Any) -> dict[str, Tensor]:
            codes = task.space.item_codes[examples.targets]
            noise = uniform(task.seed, stream, keys, 1 + codes.shape[1])
            revealed, weights = mask_targets(codes, noise, self.p_mask)
            arrays = {"items": examples.histories.items, "revealed": revealed, "labels": codes, "weights": weights}
            return {name: torch.from_numpy(array) for name, array in arrays.items()}

        return collate


def _check(name: str, value: float | None, allowed: bool, words: str) -> None:
    if not allowed:
        raise ValueError(f"{name} is {value}; it must be {words}")


@dataclass(frozen=True, eq=False)
class LladaModel:
    """A fitted network, ready to answer."""

    network: CodeNetwork

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> LladaContext:
        """Embed the histories once. `slots`: the slots of the space that are in the input at all."""
        import torch

        device = self.network.offsets.device
        items = torch.from_numpy(histories.items).to(device)
        with torch.no_grad():
            history = self.network.embed_items(items)
        canvas = torch.tensor(slots, device=device)
        return LladaContext(self.network, history, items >= 0, canvas, self.network.places(slots))


@dataclass(frozen=True, eq=False)
class LladaContext:
    """Answers for one batch of users.

    Attributes:
        network: in evaluation mode.
        history: embedded items. Shape: (B, H, hidden)
        visible: False in the padding. Shape: (B, H)
        canvas: the slots of the space on the canvas. Shape: (T,)
        places: where their codes are in the vocabulary, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: CodeNetwork
    history: Tensor
    visible: Tensor
    canvas: Tensor
    places: Tensor

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history, revealed), normalised over the code vocabulary of all slots.

        Args:
            revealed: code indices, -1 where nothing is revealed. Shape: (B, K, T)
            slots: columns of the canvas to answer.

        Returns:
            -inf outside a slot's own codes. Shape: (B, K, S, V), float32
        """
        import torch

        beams = revealed.shape[1]
        with torch.no_grad():
            states = self.network.hidden(
                self.history.repeat_interleave(beams, dim=0),
                self.visible.repeat_interleave(beams, dim=0),
                self.network.embed_slots(revealed.flatten(0, 1), self.canvas),
                self.canvas,
            )
            # stacked by Python numbers: an index tensor would be a copy to the device at every call
            asked = torch.stack([states[:, slot] for slot in slots], dim=1)
            places = torch.stack([self.places[slot] for slot in slots])
            log_probs = self.network.logits(asked).log_softmax(dim=-1)
            own = log_probs.gather(-1, places.clamp(min=0).expand(len(asked), -1, -1))
            return own.masked_fill(places < 0, -torch.inf).unflatten(0, (-1, beams))
