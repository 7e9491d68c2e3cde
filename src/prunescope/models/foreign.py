"""Networks written elsewhere: a Python factory, timm, torchvision, or transformers."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from pydantic import model_validator
from torch import nn

from prunescope.core.errors import PrunescopeError, unknown_name
from prunescope.models.model import MODELS, ImageShape, Model
from prunescope.models.taps import LOGITS, activations

Factory = Callable[..., Any]

_FORMS = "package.module:factory, file.py:factory, timm:NAME, torchvision:NAME or transformers:DIR"


def load_factory(reference: str) -> Factory:
    """Return the callable that a reference names.

    The forms are ``package.module:factory``, ``file.py:factory``, ``timm:NAME``, ``torchvision:NAME`` and
    ``transformers:DIR``. A file or module is executed to find its factory: a reference is as trusted as a program one
    starts. The factories of timm and torchvision take ``num_classes`` (and timm's ``in_chans``); that of transformers
    follows the ``config.json`` in the folder. None loads trained weights.

    Raises:
        PrunescopeError: for a text of another form, a file or module that is not there or fails, a name that is not
            in it or cannot be called, or a library that is not installed.

    Example:
        >>> load_factory("torch.nn:Identity").__name__
        'Identity'
    """
    place, _, name = reference.rpartition(":")
    if not place or not name:
        raise PrunescopeError("not a reference to a network", expected=_FORMS, got=repr(reference))
    if place in _LIBRARIES:
        return _LIBRARIES[place](name)
    module = _imported(place)
    found = getattr(module, name, None)
    if found is None:
        raise unknown_name("factory", name, (n for n, v in vars(module).items() if callable(v))).at(place)
    if not callable(found):
        raise PrunescopeError(
            "not a factory", expected="a function or class", got=type(found).__name__, where=reference
        )
    return found  # type: ignore[no-any-return]


@MODELS.register("foreign")
class Foreign(Model):
    """Any network, by a reference to its factory.

    ``package.module:factory``, ``file.py:factory``, ``timm:NAME``, ``torchvision:NAME`` or ``transformers:DIR``.

    The factory is called with those of ``image_shape``, ``channels``, ``in_channels``, ``in_chans``, ``classes`` and
    ``num_classes`` that it names as parameters, and returns a module that maps ``[n, c, h, w]`` to ``[n, classes]``.
    Its random draws come from torch's generator, which is seeded.

    Attributes:
        reference: where the factory is.
        digest: SHA-256 of the factory's file, filled in; a study is refused when the file no longer has it. What the
            file imports is not covered.
    """

    gpu_share: ClassVar[float] = 1.0

    reference: str
    digest: str = ""

    @model_validator(mode="before")
    @classmethod
    def _pinned(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping) or not isinstance(fields.get("reference"), str):
            return fields
        load_factory(fields["reference"])
        found, wanted = _digest(fields["reference"]), fields.get("digest")
        if wanted and wanted != found:
            remedy = "Leave digest out to take the file as it is"
            raise PrunescopeError("the factory's file has changed", where=fields["reference"], remedy=remedy)
        return {**fields, "digest": found}

    def __call__(self, image_shape: ImageShape, classes: int) -> nn.Module:
        """Return the network.

        Raises:
            PrunescopeError: when the factory fails, returns no module, or its network gives no ``[n, classes]``.
        """
        factory = load_factory(self.reference)
        known = dict.fromkeys(("channels", "in_channels", "in_chans"), image_shape[0])
        known |= dict.fromkeys(("classes", "num_classes"), classes)
        try:
            net = factory(**_accepted(factory, {**known, "image_shape": image_shape}))
        except Exception as error:
            raise PrunescopeError("the factory failed", got=_told(error), where=self.reference) from error
        if not isinstance(net, nn.Module):
            got = type(net).__name__
            raise PrunescopeError("the factory returns no network", expected="a module", got=got, where=self.reference)
        check_logits(net, image_shape, classes, self.reference)
        return net


def check_logits(net: nn.Module, image_shape: ImageShape, classes: int, where: str) -> None:
    """Refuse a network that does not map two images of this shape to logits ``[2, classes]``."""
    try:
        logits = activations(net, torch.zeros(2, *image_shape), [LOGITS])[LOGITS]
    except PrunescopeError as error:
        raise error.at(where) from None
    except Exception as error:
        told = f"the network cannot take {'×'.join(map(str, image_shape))} images"
        raise PrunescopeError(told, got=_told(error)[:300], where=where) from error
    if logits.shape != (2, classes):
        expected, got = f"[n, {classes}]", f"{list(logits.shape)} for n = 2"
        raise PrunescopeError("the network returns no logits", expected=expected, got=got, where=where)


def logits_only(net: nn.Module) -> nn.Module:
    """Let ``net`` return the logits of an output that has them by name, as classifiers of transformers do."""
    net.register_forward_hook(_logits_of)
    return net


def _logits_of(net: nn.Module, inputs: object, output: Any) -> Any:
    return output["logits"] if isinstance(output, Mapping) and "logits" in output else getattr(output, "logits", output)


def _accepted(factory: Factory, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the factory names as a parameter."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {name: value for name, value in known.items() if name in named}


def _imported(place: str) -> ModuleType:
    path = Path(place)
    if path.suffix == ".py" and not path.is_file():
        raise PrunescopeError("there is no such file", got=place, where="model")
    try:
        return _executed(path.resolve(), _sha(path)) if path.suffix == ".py" else importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise PrunescopeError("cannot be imported", got=_told(error), where=place) from error


@lru_cache(maxsize=16)
def _executed(path: Path, digest: str) -> ModuleType:
    """Run a file once for each content; its folder is importable meanwhile, as for a script."""
    spec = importlib.util.spec_from_file_location(f"prunescope_foreign_{digest[:16]}", path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


def _digest(reference: str) -> str:
    """Return the checksum of the file that a Python reference names; a library's name stands for itself."""
    place, _, name = reference.rpartition(":")
    if place in _LIBRARIES:
        return _sha(_configuration(name)) if place == "transformers" else ""
    source = getattr(_imported(place), "__file__", None)
    return _sha(Path(source)) if source else ""


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _timm(name: str) -> Factory:
    timm = _library("timm", "pip install 'prunescope[timm]'")
    _checked_name("timm", name, timm.list_models())

    def create(num_classes: int = 1000, in_chans: int = 3) -> nn.Module:
        return timm.create_model(name, pretrained=False, num_classes=num_classes, in_chans=in_chans)  # type: ignore[no-any-return]

    return create


def _torchvision(name: str) -> Factory:
    models = _library("torchvision", "pip install torchvision").models
    _checked_name("torchvision", name, models.list_models())

    def create(num_classes: int = 1000) -> nn.Module:
        return models.get_model(name, weights=None, num_classes=num_classes)  # type: ignore[no-any-return]

    return create


def _transformers(folder: str) -> Factory:
    _configuration(folder)
    library = _library("transformers", "pip install transformers")
    config = library.AutoConfig.from_pretrained(folder, local_files_only=True)

    def create() -> nn.Module:
        return logits_only(library.AutoModelForImageClassification.from_config(config))

    return create


def _configuration(folder: str) -> Path:
    path = Path(folder).expanduser() / "config.json"
    if not path.is_file():
        raise PrunescopeError(
            "no model of transformers", expected="a folder with config.json", got=folder, where="model"
        )
    return path


def _library(name: str, remedy: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PrunescopeError(f"{name} is not installed", got=_told(error), remedy=remedy) from None


def _checked_name(library: str, name: str, known: list[str]) -> None:
    """Refuse a name that the library does not have; it may have a thousand, so the nearest are told alone."""
    if name not in known:
        near = ", ".join(difflib.get_close_matches(name, known, n=5)) or f"{library}'s list_models() has all"
        raise PrunescopeError(f"no such model in {library}", got=name, remedy=f"Nearest: {near}")


_LIBRARIES: Mapping[str, Callable[[str], Factory]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "transformers": _transformers,
}
