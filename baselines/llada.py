"""LLaDA-style masked diffusion over codes (paper 3.1, eq. 5 and 7): Llama blocks with full attention.

    mrbench run --model llada --decoder dbs-penalty --data arts
    mrbench run --model llada --decoder dbs-penalty --data arts --size 8b

The network is in `code_network`, the objective in `diffusion`, training in `training`; the published LLM is in
`text_denoiser`, and what it shares with the others in `published`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mindrec_bench.codes import CodeSpace
from mindrec_bench.contracts import Capability, Histories, Model, Task

from .from_scratch import BLOCKS, FromScratch, Own, check
from .published import CHECKPOINT, Published, fine_tuned

if TYPE_CHECKING:
    from torch import Tensor

    from .code_network import CodeNetwork
    from .training import Collate


@dataclass(frozen=True)
class MaskedObjective:
    """The option of masked diffusion.

    Attributes:
        p_mask: the smallest masking probability in training, 0 < p_mask <= 1.
    """

    p_mask: float = 0.6


@dataclass(frozen=True)
class Llada(Published, MaskedObjective):  # options are listed from the last base to the first
    """Masked diffusion over codes with full attention: Llama blocks, any slot from the history and the revealed codes.

    Attributes:
        p_mask: the smallest masking probability in training, 0 < p_mask <= 1.
        lr: peak learning rate; None here and below: the size's own.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation loss before training stops.
        dropout: on the inputs and the last hidden states; at LLM sizes, of LoRA.
        weight_decay: of AdamW.
        shuffle: a new order each epoch; no: the order of users, as released.
        checkpoint: a folder or a hub id (ORG/NAME, ORG/NAME@REVISION) of published weights; here and below: LLM sizes.
        template: a text file of prompts, each with {history}, a line --- between them; the first is used at test.
        pad: mask the padding on the left of a prompt, or attend to it, as released.
        train_tokens: train the whole input embedding and output head, or only the rows of the codes.
        gradient_checkpointing: compute activations twice and store few: less memory, more time.
        load_in_8bit: keep the published weights in 8 bits (needs bitsandbytes and a GPU).
    """

    capability: ClassVar[Capability] = "denoiser"
    eval_repeats: ClassVar[int] = 2
    sizes: ClassVar[tuple[str, ...]] = (*FromScratch.sizes, "8b", CHECKPOINT)
    own: ClassVar[Mapping[str, Own]] = {**FromScratch.own, **dict.fromkeys(("8b", CHECKPOINT), fine_tuned(lr=7e-5))}
    hub: ClassVar[Mapping[str, str]] = {"8b": "GSAI-ML/LLaDA-8B-Instruct"}
    families: ClassVar[tuple[str, ...]] = ("llada", "llama")

    def __post_init__(self) -> None:
        check("p_mask", self.p_mask, 0 < self.p_mask <= 1, "above 0, at most 1")
        super().__post_init__()

    def _build(self, space: CodeSpace, size: str, dropout: float) -> CodeNetwork:
        from .code_network import CodeNetwork

        return CodeNetwork(space, BLOCKS[size], dropout)

    def _model(self, network: CodeNetwork) -> Model:
        return LladaModel(network)

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

        from .vocabulary import own_log_probs

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
            return own_log_probs(self.network.logits(asked), places).unflatten(0, (-1, beams))
