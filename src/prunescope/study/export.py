"""Export a trained or pruned network of a study as a file that other tools read."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from prunescope.core.config import canonical_json
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.study.artefacts import read_state
from prunescope.study.measuring import Cell
from prunescope.study.plan import Plan, plan_study
from prunescope.study.run import default_store
from prunescope.study.store import Store
from prunescope.study.study import Reference, load_study

FORMATS = (".safetensors", ".pt")


def export(
    study: Reference,
    to: str | Path,
    *,
    recipe: str,
    seed: int | None = None,
    sparsity: float | None = None,
    mask: str | Path | None = None,
    size: str = "tiny",
    store: str | Path | None = None,
) -> Path:
    """Write one network's weights, zeros baked in, as ``.safetensors`` or ``.pt`` (a state dict); return the path.

    The metadata (safetensors) or the key ``prunescope`` (pt) holds the model, classes, input shape and the
    normalisation of the inputs.

    Args:
        study: a preset's name, a YAML file, a mapping, or what ``load_study`` made of one.
        to: file to write.
        recipe: whose network.
        seed: of the network; the first by default.
        sparsity: level of the recipe; the last by default.
        mask: also write the mask to this file (``Mask.load`` reads it).
        size: of the study.
        store: folder of artefacts.

    Raises:
        PrunescopeError: for a recipe, seed or level that is not in the study, or a network not trained yet.
    """
    target = Path(to)
    if target.suffix not in FORMATS:
        raise PrunescopeError("unknown file format", expected=" or ".join(FORMATS), got=target.name, where="--to")
    plan = plan_study(load_study(study, size=size))
    cell = find_cell(plan, recipe, seed, sparsity)
    place = Store(store or default_store())
    if not place.has("state", cell.state):
        raise PrunescopeError(
            "this network is not trained yet", where=str(place.root), remedy="prunescope run it first"
        )
    state, blueprint = read_state(place, cell.state)
    about = {**blueprint, "recipe": recipe, "seed": cell.seed, "sparsity": state.mask.sparsity}
    weights = {name: tensor.contiguous() for name, tensor in state.weights.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".pt":
        torch.save({"state_dict": weights, "prunescope": about}, target)
    else:
        save_file(weights, target, metadata={"prunescope": canonical_json(about)})
    if mask is not None:
        state.mask.save(mask)
    return target


def find_cell(plan: Plan, recipe: str, seed: int | None, sparsity: float | None) -> Cell:
    """Return the network of a recipe: of the first seed and the last level unless told otherwise."""
    if recipe not in plan.study.recipes:
        raise unknown_name("recipe", recipe, plan.study.recipes)
    cells = [cell for cell in plan.cells if cell.recipe == recipe]
    wanted = plan.study.seeds[0] if seed is None else seed
    level = cells[-1].sparsity if sparsity is None else sparsity
    for cell in cells:
        if cell.seed == wanted and abs(cell.sparsity - level) < 1e-9:
            return cell
    levels = sorted({cell.sparsity for cell in cells})
    raise PrunescopeError(
        "no such network in this recipe",
        expected=f"seed in {list(plan.study.seeds)}, sparsity in {levels}",
        got=f"seed {wanted}, sparsity {level}",
    )
