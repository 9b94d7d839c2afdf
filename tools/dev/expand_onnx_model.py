#!/usr/bin/env python3
"""Replace a model's RMSNormalization, RotaryEmbedding and Attention by what the standard says they are made of.

    tools/dev/make_tiny_gguf.py tiny.gguf --layers 1
    tools/dev/make_onnx_model.py tiny.gguf tiny.onnx --attention whole
    tools/dev/expand_onnx_model.py tiny.onnx test/data/expanded.onnx

Needs the Python package onnx, for development alone. Inputs that are left out in the middle are beyond its inliner.
"""

import sys

import onnx
import onnx.inliner
from onnx import helper

OPERATORS = [("", name) for name in ("RMSNormalization", "RotaryEmbedding", "Attention")]


def main():
    model = onnx.load(sys.argv[1])
    standard = [opset for opset in model.opset_import if not opset.domain]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    for tensor in model.graph.initializer:  # the inliner asks for types
        model.graph.value_info.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    model = onnx.shape_inference.infer_shapes(model)
    model = onnx.inliner.inline_selected_functions(model, OPERATORS, exclude=False, inline_schema_functions=True)
    del model.graph.value_info[:]
    onnx.save(model, sys.argv[2])


if __name__ == "__main__":
    main()
