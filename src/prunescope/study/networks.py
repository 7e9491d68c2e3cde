"""Networks of an audit: trained elsewhere, read from a file or taken from memory, each known by its content."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from prunescope.core.config import fingerprint
from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.data import Dataset
from prunescope.models import MODELS, Foreign, Model, build
from prunescope.models.foreign import check_logits
from prunescope.models.load import Loaded, load_file, load_module
from prunescope.models.onnx_network import SUFFIX, onnx_files
from prunescope.models.taps import LOGITS, activations
from prunescope.pruning import Mask, State, prunable
from prunescope.pruning.state import snapshot
from prunescope.study.files import sha256_of
from prunescope.training.recipe import DENSE

PRUNED = "pruned"
Given = nn.Module | str | Path
FORMS = "file.py:factory, package.module:factory, timm:NAME, torchvision:NAME, transformers:DIR"


@dataclass(frozen=True, kw_only=True)
class Network:
    """A trained network at hand; ``identity`` names its content, ``notes`` tell how it was read."""

    name: str
    net: nn.Module
    mask: Mask
    identity: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The text that blueprints know it by."""
        return fingerprint(self.identity)

    def state(self, seed: int) -> State:
        """Return its weights and mask as a state."""
        return State(weights=snapshot(self.net), mask=self.mask, seed=seed)

    def sparsity(self, dense: Network) -> float | None:
        """Return the share of the dense network's prunable weights that are gone, None where they cannot be counted.

        Raises:
            PrunescopeError: when more is left than there was.
        """
        if not self.mask.total or not dense.mask.total:
            return None
        if self.mask.kept > dense.mask.total:
            expected, got = f"at most {dense.mask.total} weights, as in {dense.name}", self.mask.kept
            remedy = "Are dense and pruned the wrong way round?"
            raise PrunescopeError(
                "the pruned network is larger than the dense one",
                expected=expected,
                got=got,
                where=self.name,
                remedy=remedy,
            )
        return 1 - self.mask.kept / dense.mask.total


def by_name(dense: Any, pruned: Any) -> tuple[list[Given], dict[str, list[Given]]]:
    """Return the dense networks in the order of their seeds, and the pruned ones by name, as many under each.

    Modules are named ``pruned``, or ``pruned 1``, ``pruned 2``, …; files by their own name without its ending, and by
    their folder too where that is not enough. With several dense networks a plain sequence of pruned ones is dealt in
    groups of as many.

    Raises:
        PrunescopeError: for no network, or what is neither a module nor a path.
    """
    references = _listed(dense)
    named = {str(n): _listed(nets) for n, nets in pruned.items()} if isinstance(pruned, Mapping) else {}
    if not isinstance(pruned, Mapping) and references:
        flat, size = _listed(pruned), len(references)
        if len(flat) % size:
            expected = f"a multiple of {size}, as many for each dense network"
            raise PrunescopeError("pruned networks must pair up with dense ones", expected=expected, got=len(flat))
        groups = [flat[i : i + size] for i in range(0, len(flat), size)]
        named = dict(zip(_names(groups), groups, strict=True))
    if not references or not named or not all(named.values()):
        raise PrunescopeError("an audit needs networks", expected="at least one dense and one pruned", got="none")
    return references, {f"{PRUNED} {name}" if name == DENSE else name: nets for name, nets in named.items()}


def numbered(name: str, nets: Sequence[Given]) -> list[tuple[str, Given]]:
    """Return each network with the name of its group and, where there are several, its seed."""
    return [(name if len(nets) == 1 else f"{name}, seed {seed}", net) for seed, net in enumerate(nets)]


def outputs_of(module: nn.Module, data: Dataset) -> int:
    """Return how many logits a module gives for an image; 0 if it gives none, which :func:`take_network` refuses."""
    net = load_module(module).net
    try:
        logits = activations(net, torch.zeros(2, *data.shape), [LOGITS])[LOGITS]
    except Exception:  # a foreign module can raise anything
        return 0
    return int(logits.shape[1]) if logits.ndim == 2 else 0


def _listed(nets: Any) -> list[Given]:
    found = list(nets) if isinstance(nets, (Sequence, nn.ModuleList)) and not isinstance(nets, str) else [nets]
    for net in found:
        if not isinstance(net, (nn.Module, str, Path)):
            raise PrunescopeError("not a network", expected="a module or a file", got=type(net).__name__)
    return found


def _names(groups: list[list[Given]]) -> list[str]:
    """Return a different name for each group, after its first network."""
    paths = [None if isinstance(group[0], nn.Module) else Path(str(group[0]).partition("=")[0]) for group in groups]
    plain = [PRUNED if path is None else path.stem for path in paths]
    longer = [p if path is None else f"{path.parent.name}/{path.stem}" for p, path in zip(plain, paths, strict=True)]
    names = plain if len(set(plain)) == len(plain) else longer
    if len(set(names)) < len(names):
        return [f"{name} {i + 1}" for i, name in enumerate(names)]
    return names


def resolve_model(reference: str) -> Model:
    """Return the model that a text names: a registered one, also as ``{name: {option: value}}``, or a factory.

    Raises:
        PrunescopeError: for what is none of these, with the nearest registered names.

    Example:
        >>> resolve_model("resnet20").member_name, resolve_model("{resnet20: {width: 8}}").width
        ('resnet20', 8)
    """
    if reference.startswith("{"):
        return MODELS.build(yaml.safe_load(reference))
    if reference.replace("-", "_") in MODELS.names():
        return MODELS.build(reference)
    if ":" not in reference:
        refusal = unknown_name("model", reference, MODELS.names())
        raise PrunescopeError(refusal.problem, remedy=f"{refusal.remedy}; or {FORMS}", where="model")
    return Foreign(reference=reference)


def read_network(name: str, file: str, model: Model | None, data: Dataset, *, trust: bool, pruned: bool) -> Network:
    """Return the network in a file, checked on the shape and classes of ``data``.

    Args:
        name: in tables and on the page.
        file: its path, or ``PATH=MODEL`` for a network that has a model of its own.
        model: that the weights belong to.
        data: the images it will see.
        trust: see :func:`prunescope.models.checkpoint.read_checkpoint`.
        pruned: whether its layers may be smaller than the model's.

    Raises:
        PrunescopeError: for a file that cannot be read, fits no model, or gives no logits for these classes.
    """
    path, model = _own_model(file, model)
    make = None if model is None else lambda: build(model, data.shape, len(data.classes), seed=0)
    loaded = load_file(path, make, trust=trust, shrink=pruned)
    check_logits(loaded.net, data.shape, len(data.classes), path)
    files = onnx_files(path) if Path(path).suffix == SUFFIX else [Path(path)]
    identity = {
        "files": [sha256_of(file) for file in files],
        "code": _code(loaded.net),
        "model": _model_identity(model),
    }
    return _network(name, loaded, identity)


def take_network(name: str, module: nn.Module, data: Dataset) -> Network:
    """Return a copy of a module in memory; its weights name it, which is enough within one audit only."""
    loaded = load_module(module)
    check_logits(loaded.net, data.shape, len(data.classes), name)
    digest = hashlib.sha256()
    for key, tensor in snapshot(loaded.net).items():
        digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return _network(name, loaded, {"memory": name, "weights": digest.hexdigest()})


def _network(name: str, loaded: Loaded, identity: Mapping[str, Any]) -> Network:
    mask, notes = _mask(loaded)
    told = tuple(f"{name}: {note}" for note in (*loaded.notes, *notes))
    return Network(name=name, net=loaded.net, mask=mask, identity=identity, notes=told)


def _mask(loaded: Loaded) -> tuple[Mask, tuple[str, ...]]:
    """Return the recorded mask, or the one that zeros tell, and say which."""
    try:
        weights = prunable(loaded.net)
    except PrunescopeError as error:
        return Mask({}), (f"its weights are not counted ({error.problem})",)
    recorded = {name: kept for name, kept in loaded.masks.items() if name in weights}
    if recorded:
        whole = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
        return Mask({name: recorded.get(name, whole[name]) for name in weights}), ()
    mask = Mask.from_zeros(loaded.net)
    gone = mask.total - mask.kept
    told = f"no mask was recorded; its {gone} weights that are exactly zero count as pruned"
    return mask, (told,) if gone else ()


def _own_model(file: str, model: Model | None) -> tuple[str, Model | None]:
    path, _, reference = file.partition("=")
    if reference and not Path(file).exists():
        return path, resolve_model(reference)
    return file, model


def _model_identity(model: Model | None) -> Mapping[str, Any] | None:
    """Return what names the architecture, without the path of a factory's file."""
    if not isinstance(model, Foreign):
        return None if model is None else model.spec()
    place, _, factory = model.reference.rpartition(":")
    if not model.digest:
        return {"foreign": model.reference}
    return {"digest": model.digest, **({} if place == "transformers" else {"factory": factory})}


def _code(net: nn.Module) -> list[str]:
    """Return the checksums of the files that define the classes of a network's modules, torch's own left out."""
    kinds = {type(module) for module in net.modules() if not type(module).__module__.startswith("torch.")}
    files = {inspect.getsourcefile(kind) for kind in kinds if not kind.__module__.startswith("prunescope.")}
    return sorted(sha256_of(Path(file)) for file in files if file is not None and Path(file).is_file())
