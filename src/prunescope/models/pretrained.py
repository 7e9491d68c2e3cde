"""Pre-trained weights to start from: a file, or a model of the hub, matched strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator
from torch import nn

from prunescope.core.config import Config
from prunescope.core.errors import PrunescopeError
from prunescope.core.hub import without_retry_messages
from prunescope.core.patterns import Patterns, fits, matching
from prunescope.models.checkpoint import read_checkpoint
from prunescope.models.fit import fit
from prunescope.models.weights import plain_weights

SUFFIXES = frozenset({".pt", ".pth", ".th", ".ckpt", ".bin", ".safetensors"})


class Pretrained(Config):
    """Weights that all networks of a study start from; only what is left out differs from seed to seed.

    A file of a state dict is known by its content: where it lies and what it is called change nothing. Every weight
    and buffer of the network must be in it with its shape, and nothing else, but for what is left out. Zeros in it
    are weights like others, not a mask.

    Attributes:
        weights: a file of ``torch.save`` or safetensors, or ``owner/name`` on the Hugging Face hub.
        leave_out: patterns of layers or tensors that keep their seeded start, such as the head where the number of
            classes differs.
        file: of a model on the hub.
        revision: branch, tag or commit on the hub.
        digest: SHA-256 of the file; filled in for local files, checked where given.
    """

    weights: Annotated[str, Field(min_length=1)]
    leave_out: Patterns = ()
    file: str = "model.safetensors"
    revision: str = "main"
    digest: str = ""

    @model_validator(mode="before")
    @classmethod
    def _pinned(cls, fields: Any) -> Any:
        fields = {"weights": fields} if isinstance(fields, str) else fields
        if not isinstance(fields, Mapping) or not isinstance(fields.get("weights"), str):
            return fields
        path = _local(fields["weights"])
        return fields if path is None else {**fields, "digest": _checked(path, fields.get("digest", ""))}

    def identity(self) -> dict[str, Any]:
        """Return plain data that names the content: the file's checksum, or name, file and revision on the hub."""
        hub = {"hub": {"name": self.weights, "file": self.file, "revision": self.revision}}
        left = {"leave_out": list(self.leave_out)} if self.leave_out else {}
        return {**({"sha256": self.digest} if self.digest else hub), **left}

    def load_into(self, net: nn.Module) -> nn.Module:
        """Put the weights into ``net``, leave what is left out as it is, and return it.

        Raises:
            PrunescopeError: for a file that has changed, cannot be read or does not fit, a model that the hub does
                not give, or a pattern that fits nothing.
        """
        path = self._path()
        known = dict(net.state_dict())
        left = matching(known, self.leave_out, "init.leave_out") if self.leave_out else frozenset()
        given = plain_weights(read_checkpoint(path).tensors, known).tensors
        kept = {name: tensor for name, tensor in given.items() if not fits(name, self.leave_out)}
        try:
            fit(net, {**kept, **{name: known[name].clone() for name in left}}, self.weights)
        except PrunescopeError as refusal:
            remedy = "If only the head differs, leave it out: init: {weights: …, leave_out: [its layer]}"
            raise PrunescopeError(refusal.problem, got=refusal.got, where=refusal.where, remedy=remedy) from None
        return net

    def _path(self) -> Path:
        path = _local(self.weights) or self._download()
        _checked(path, self.digest)
        return path

    def _download(self) -> Path:
        from huggingface_hub import hf_hub_download

        try:
            with without_retry_messages():
                return Path(hf_hub_download(self.weights, self.file, revision=self.revision))
        except Exception as error:  # network, hub and cache each have their own exceptions
            told = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            remedy = "Without network, pass a file of the weights instead of the name"
            raise PrunescopeError(
                "cannot be loaded from the hub", got=told, where=f"{self.weights}: {self.file}", remedy=remedy
            ) from None


def _local(reference: str) -> Path | None:
    """Return the path that a reference is, or None for a name on the hub."""
    path = Path(reference).expanduser()
    if path.is_file():
        return path
    if path.is_absolute() or path.suffix in SUFFIXES or reference.startswith(".") or reference.count("/") != 1:
        raise PrunescopeError("no such file, and no name on the hub", got=reference)
    return None


def _checked(path: Path, digest: str) -> str:
    """Return the checksum of a file, which must be ``digest`` if there is one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if digest and digest != found:
        remedy = "Leave digest out to take the file as it is"
        raise PrunescopeError(
            "the file of weights has changed", expected=digest, got=found, where=str(path), remedy=remedy
        )
    return found
