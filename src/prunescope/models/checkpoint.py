"""Checkpoint files of other tools, read without running any code that is in them."""

from __future__ import annotations

import argparse
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError
from prunescope.core.expansion import refuse_archive

# The places where training programs keep the weights, the likeliest first.
HOLDERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
SAFETENSORS = ".safetensors"


class TrustWarning(UserWarning):
    """A file was read in a way that runs the code in it, because the caller said that it can be trusted."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file holds: ``tensors`` by name, or a whole ``module``; ``notes`` are for the reader of results."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    module: nn.Module | None = None
    notes: tuple[str, ...] = ()


def read_checkpoint(path: str | Path, *, trust: bool = False) -> Checkpoint:
    """Read the weights in a file of ``torch.save`` or safetensors, on the CPU.

    Taken are a plain state dict, one below a key such as ``state_dict`` or ``model``, and, with ``trust``, a whole
    pickled module. Without ``trust`` nothing but tensors and plain data is unpickled, so no code of the file runs.

    Args:
        path: the file.
        trust: run the file's code where it cannot be read otherwise; this warns (:class:`TrustWarning`).

    Raises:
        PrunescopeError: for a file that is missing, broken, holds no weights, or needs trust.
    """
    file = Path(path)
    if not file.is_file():
        raise PrunescopeError("there is no such file", got=str(path), where="checkpoint")
    if file.suffix == SAFETENSORS:
        return Checkpoint(tensors=_read_safetensors(file))
    if zipfile.is_zipfile(file):  # torch.save compresses nothing, but its reader would unpack what is
        try:
            refuse_archive(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise error if isinstance(error, PrunescopeError) else _unreadable(file, error) from None
    held, notes = _unpickled(file, trust)
    found = _weights_in(held)
    if found is None:
        got = f"keys {', '.join(map(str, list(held)[:8]))}" if isinstance(held, Mapping) else type(held).__name__
        raise PrunescopeError("no weights in this file", expected="tensors by name", got=got, where=str(path))
    if isinstance(found, nn.Module):
        return Checkpoint(module=found, notes=notes)
    return Checkpoint(tensors=found, notes=notes)


def _read_safetensors(file: Path) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise PrunescopeError("not a readable safetensors file", got=error, where=str(file)) from None


def _unpickled(file: Path, trust: bool) -> tuple[Any, tuple[str, ...]]:
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, about the pickle's age
            return torch.load(file, map_location="cpu", weights_only=True), ()
    except Exception as error:  # the unpickler of foreign bytes can raise anything
        needs = re.search(r"GLOBAL (\S+)", str(error))
        if needs is None:
            raise _unreadable(file, error) from None
        if not trust:
            raise PrunescopeError(
                "the file holds more than weights, and reading it would run code",
                expected="tensors and plain data",
                got=needs[1],
                where=str(file),
                remedy="Save the state dict alone; or, if you trust whoever made the file, pass --trust (trust=True)",
            ) from None
    told = f"{file.name} was unpickled with trust: code in it ran"
    warnings.warn(told, TrustWarning, stacklevel=4)
    try:
        return torch.load(file, map_location="cpu", weights_only=False), (told,)
    except Exception as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> PrunescopeError:
    told = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip() and "http" not in line), "")
    return PrunescopeError("not a readable checkpoint", got=f"{type(error).__name__}: {told[:200]}", where=str(file))


def _harmless() -> list[Any]:
    """Return what training programs often store beside the weights and what cannot do anything: numbers, options."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds, argparse.Namespace]


def _weights_in(held: Any) -> Mapping[str, Tensor] | nn.Module | None:
    """Return the module, or the tensors by name, that a file's content is or has at one of the usual places."""
    if isinstance(held, nn.Module):
        return held
    if not isinstance(held, Mapping):
        return None
    for place in HOLDERS:
        inner = held.get(place)
        if isinstance(inner, (Mapping, nn.Module)) and (found := _weights_in(inner)) is not None:
            return found
    tensors = {name: value for name, value in held.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return tensors or None
