"""`mrbench run --dry-run`: what a question means and what is there of its answer, without computing any of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .contracts import MASK, Task
from .data.dataset import Dataset
from .environment import pick_device
from .fits import FitFolder
from .question import Question, Resolved, resolve_question
from .runner import Setup
from .runs import RunFolder
from .shards import canvas_slots


def dry_run(question: Question, setup: Setup, *, prompts: int = 0) -> dict[str, Any]:
    """Resolve a question as `runner.run_question` does.

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
    resolved = replace(resolve_question(question), device=pick_device(setup.device))
    dataset = resolved.source.load(setup.data_dir, users=question.users, notify=setup.notify)
    spec = resolved.spec(dataset)
    folder = RunFolder(spec, setup.runs_dir, setup.notify)
    fit = FitFolder(spec, setup.runs_dir, setup.notify)
    return {
        "run": spec.id,
        "path": str(folder.path),
        "done": folder.load_summary() is not None,
        "fitted": fit.is_done() if resolved.backbone.sizes else None,
        "device": resolved.device,
        "size": spec.model.size + resolved.why_size(dataset),
        "spec": spec.as_dict(),
        "prompts": _prompts(resolved, setup, dataset, prompts) if prompts else [],
    }


def _prompts(resolved: Resolved, setup: Setup, dataset: Dataset, count: int) -> list[dict[str, Any]] | None:
    show = getattr(resolved.backbone, "show_prompts", None)
    if show is None:
        return None
    categories = resolved.categories(dataset)
    space = dataset.space(categories=categories != "none")
    slots = canvas_slots(space, categories)
    users = dataset.held_out(resolved.question.split)
    start = np.full((min(count, len(users)), len(slots)), MASK)
    if categories == "given":
        start[:, : space.n_categories] = space.item_codes[users.targets[:count], : space.n_categories]
    size, seed = resolved.size(dataset), resolved.question.seed
    task = Task(data=dataset, space=space, size=size, seed=seed, device=resolved.device, notify=setup.notify)
    return show(task, users.histories[:count], start, slots) or None


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
        **{name: str(spec[name]) for name in ("categories", "constrain", "beam", "seed")},
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
