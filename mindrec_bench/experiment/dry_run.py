"""`mrbench run --dry-run`: what a question means and what is there of its answer, without computing any of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.code_space import MASK, canvas_slots
from ..distributed.torchrun import process_from_env
from .config import ExecutionOptions, ExperimentConfig
from .context import RunContext
from .run import check_gpus, checked


def dry_run(question: ExperimentConfig, setup: ExecutionOptions, *, prompts: int = 0) -> dict[str, Any]:
    """Resolve a question as `runner.run_experiment` does.

    Args:
        question: what is asked.
        setup: how.
        prompts: of how many users the prompts are shown.

    Returns:
        `run` and `path`; `done` and `fitted`: what is in the store; the whole `spec`; `device`; `size` and why; and
        `prompts` (see `contracts.Backbone`), None where the model reads no text.

    Raises:
        MrbenchError: the question is wrong, or data or a checkpoint is missing.
    """
    place = process_from_env()
    question, devices = checked(question, setup, place)
    steps = RunContext.of(question, setup)
    check_gpus(steps, devices, place)
    spec, resolved = steps.spec, steps.resolved
    return {
        "run": spec.id,
        "path": str(steps.folder.path),
        "done": steps.folder.load_summary() is not None,
        "fitted": steps.fit.is_done() if resolved.backbone.sizes else None,
        "device": steps.device,
        "size": spec.model.size + resolved.why_size(steps.dataset),
        "spec": spec.as_dict(),
        "prompts": _prompts(steps, prompts) if prompts else [],
    }


def _prompts(steps: RunContext, count: int) -> list[dict[str, Any]] | None:
    space, users = steps.space, steps.examples
    slots = canvas_slots(space, steps.spec.categories)
    start = np.full((min(count, len(users)), len(slots)), MASK)
    if steps.spec.categories == "given":
        start[:, : space.n_categories] = space.item_codes[users.targets[:count], : space.n_categories]
    return steps.resolved.backbone.show_prompts(steps.task, users.histories[:count], start, slots)


def dry_text(plan: dict[str, Any]) -> str:
    """For people."""
    spec = plan["spec"]
    rows = {
        "run": plan["run"],
        "in": plan["path"],
        "state": "done" if plan["done"] else "to be computed",
        "data": f"{spec['data']['name']}, {spec['data']['users']:,} users",
        "model": f"{spec['model']['name']}  {_words(spec['model']['options'])}".rstrip(),
        "size": plan["size"],
        "fitted": {True: "yes", False: "no", None: ""}[plan["fitted"]],
        "decoder": f"{spec['decoder']['name']}  {_words(spec['decoder']['options'])}".rstrip(),
        **{name: str(spec[name]) for name in ("categories", "constrain", "beam", "seed", "split")},
        "eval users": f"{spec['eval_users']:,}" if spec["eval_users"] else "",
        "history": "excluded" if spec["exclude_history"] else "",
        "limit": f"{spec['max_minutes']:g} minutes of training" if spec["max_minutes"] else "",
        "trained by": f"{spec['train_devices']} processes" if spec["train_devices"] > 1 else "",
        "device": plan["device"],
    }
    lines = [f"{name:<10}  {value}" for name, value in rows.items() if value]
    if plan["prompts"] is None:
        lines += ["", "this model and size read codes and no text, so there is no prompt"]
    for prompt in plan["prompts"] or ():
        lines += ["", f"user {prompt['user']}", prompt["text"], f"ids: {' '.join(map(str, prompt['ids']))}"]
        lines.append(
            "slots: " + ", ".join(f"{slot['slot']} at {slot['position']} {slot['state']}" for slot in prompt["slots"])
        )
    return "\n".join(lines)


def _words(values: dict[str, Any]) -> str:
    flat = {key: value for key, value in values.items() if key != "files"} | values.get("files", {})
    return " ".join(f"{key}={value}" for key, value in flat.items())
