"""ONNX files of small networks, written by hand."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_linear(path, weight, bias, shape, *, batch="n", external=False, quantized=False):
    """Write logits = flatten(x) · weightᵀ + bias as an ONNX file; ``quantized`` stores int8 weights of scale 0.5."""
    flat, classes = weight.shape[1], weight.shape[0]
    tensors = [numpy_helper.from_array(bias.astype(np.float32), "fc.bias")]
    nodes = [helper.make_node("Flatten", ["x"], ["flat"])]
    if quantized:
        tensors.append(numpy_helper.from_array(np.rint(weight / 0.5).astype(np.int8), "fc.weight"))
        tensors.append(numpy_helper.from_array(np.array(0.5, np.float32), "scale"))
        tensors.append(numpy_helper.from_array(np.array(0, np.int8), "zero"))
        nodes.append(helper.make_node("DequantizeLinear", ["fc.weight", "scale", "zero"], ["w"]))
    else:
        tensors.append(numpy_helper.from_array(weight.astype(np.float32), "fc.weight"))
    used = "w" if quantized else "fc.weight"
    nodes.append(helper.make_node("Gemm", ["flat", used, "fc.bias"], ["logits"], transB=1))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, classes])],
        tensors,
    )
    assert flat == np.prod(shape)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    beside = {"save_as_external_data": True, "location": "net.data", "size_threshold": 0} if external else {}
    onnx.save(model, str(path), **beside)
    return path
