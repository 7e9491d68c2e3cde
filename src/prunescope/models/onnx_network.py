"""Networks in ONNX files, run by onnxruntime."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.core.errors import PrunescopeError

SUFFIX = ".onnx"
# Operators with weights, and which of their inputs holds them.
_WEIGHTED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}


class OnnxNetwork(nn.Module):
    """An ONNX classifier as a module: ``[n, c, h, w]`` to the first output, batch by batch on the CPU.

    The weights of Conv, Gemm and MatMul operators (also those behind a DequantizeLinear) hang below it as layers of
    their names that are never called, so that weights, zeros and parameters can be counted; what happens between
    input and output cannot be seen.

    Args:
        path: the file, whose external data may lie beside it.

    Raises:
        PrunescopeError: for a missing library, a file that cannot be run, or one without exactly one image input.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._path = str(path)
        self._session = _session(self._path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in ("tensor(float)", "tensor(float16)"):
            got = ", ".join(f"{i.name} {i.type}" for i in inputs)
            raise PrunescopeError("not an image classifier", expected="one float input", got=got, where=self._path)
        self._input = inputs[0]
        for name, weight in _weights(self._path):
            _hang(self, name, weight)

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxNetwork:
        """Return another module on the same file."""
        return OnnxNetwork(self._path)

    def forward(self, x: Tensor) -> Tensor:
        """Return the first output as float32; a file with a fixed batch size gets batches of that size."""
        kind = np.float16 if "float16" in self._input.type else np.float32
        images, size = x.detach().cpu().numpy().astype(kind), self._input.shape[0]
        step = size if isinstance(size, int) else len(images)
        parts = [self._run(images[start : start + step], step) for start in range(0, len(images), step)]
        return torch.from_numpy(np.concatenate(parts).astype(np.float32)).to(x.device)

    def _run(self, images: NDArray[Any], size: int) -> NDArray[Any]:
        padded = np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), images.dtype)])
        try:
            return np.asarray(self._session.run(None, {self._input.name: padded})[0])[: len(images)]
        except Exception as error:  # the runtime has exceptions of its own
            expected, got = self._input.shape[1:], list(images.shape[1:])
            problem = "the ONNX network cannot take these images"
            raise PrunescopeError(
                problem, expected=expected, got=f"{got}: {_first_line(error)}", where=self._path
            ) from None


def onnx_files(path: str | Path) -> list[Path]:
    """Return the file and those of its external data, all of which make the network what it is."""
    onnx = _library("onnx")
    graph = _told(lambda: onnx.load(str(path), load_external_data=False), str(path)).graph
    tensors = [t for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    places = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    return [Path(path), *(Path(path).parent / place for place in sorted(places))]


def _session(path: str) -> Any:
    runtime = _library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return _told(lambda: runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"]), path)


def _weights(path: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and values of each weight, once, in the order of the graph."""
    onnx = _library("onnx")
    graph = _told(lambda: onnx.load(path), path).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    dequantized = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    seen: set[str] = set()
    for node in graph.node:
        name = node.input[_WEIGHTED[node.op_type]] if node.op_type in _WEIGHTED else ""
        source = list(dequantized[name].input) if name in dequantized else [name]
        if source[0] in constants and source[0] not in seen:
            seen.add(source[0])
            values = onnx.numpy_helper.to_array(constants[source[0]])
            zero = onnx.numpy_helper.to_array(constants[source[2]]) if len(source) > 2 else np.zeros(())
            yield source[0], values.astype(np.float32) - (zero.astype(np.float32) if zero.size == 1 else 0)


def _hang(root: nn.Module, name: str, weight: NDArray[Any]) -> None:
    """Put a layer that is never called below ``root``, at the place its weight's name tells."""
    *path, last = [part for part in name.removesuffix(".weight").replace("::", "_").split(".") if part]
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root._modules[part] or root
    layer = nn.Linear(1, 1, bias=False)
    layer.weight = nn.Parameter(torch.from_numpy(weight.copy()), requires_grad=False)
    root.add_module(last, layer)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        remedy = "pip install 'prunescope[onnx]'"
        raise PrunescopeError(f"{name} is not installed", got="an ONNX file", remedy=remedy) from None


def _told(load: Any, path: str) -> Any:
    try:
        return load()
    except Exception as error:  # each library has exceptions of its own
        raise PrunescopeError("not a readable ONNX file", got=_first_line(error), where=path) from None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
