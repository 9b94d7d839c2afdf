#!/usr/bin/env python3
"""Records test cases for operators of onnxruntime.

    tools/dev/make_onnx_cases.py test/data/onnx

Needs the Python packages onnx, onnxruntime and numpy. Each case is one file: a model of one node whose inputs are
initialisers, with what onnxruntime computes on the CPU as further initialisers, named "expected " and the output."""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

RANDOM = np.random.default_rng(1)
DOMAIN = "com.microsoft"


def real(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def write(root, name, op, inputs, outputs, attributes, domain=DOMAIN):
    """`inputs` are arrays or None; `outputs` are names or '' for those that are not wanted."""
    names = ["" if array is None else f"input {n}" for n, array in enumerate(inputs)]
    node = helper.make_node(op, names, outputs, domain=domain, **attributes)
    given = [numpy_helper.from_array(array, name) for name, array in zip(names, inputs) if array is not None]
    wanted = [output for output in outputs if output]
    graph = helper.make_graph([node], name, [], [onnx.ValueInfoProto(name=output) for output in wanted], given)
    model = helper.make_model(graph, ir_version=10, producer_name="make_onnx_cases.py",
                              opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, 1)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for output, array in zip(wanted, session.run(wanted, {})):
        model.graph.initializer.append(numpy_helper.from_array(array, f"expected {output}"))
    root.mkdir(parents=True, exist_ok=True)
    (root / f"{name}.onnx").write_bytes(model.SerializeToString())


def tables(rows, half):
    angles = np.outer(np.arange(rows), 10000.0 ** -(np.arange(half) / half))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def norms(root):
    x, skip, gamma, beta, bias = real(2, 3, 8), real(2, 3, 8), real(8), real(8), real(8)
    four = ["y", "", "", "sum"]
    write(root, "skip_layer_normalization", "SkipLayerNormalization", [x, skip, gamma, beta, bias], four, {"epsilon": 1e-5})
    write(root, "skip_layer_normalization_broadcast", "SkipLayerNormalization", [x, real(1, 3, 8), gamma], four, {"epsilon": 1e-5})
    write(root, "skip_simplified", "SkipSimplifiedLayerNormalization", [x, skip, gamma, bias], four, {"epsilon": 1e-6})
    write(root, "simplified", "SimplifiedLayerNormalization", [x, gamma], ["y"], {"epsilon": 1e-6, "axis": -1}, "")
    ids = RANDOM.integers(0, 11, (2, 4)).astype(np.int32)
    segments = RANDOM.integers(0, 2, (2, 4)).astype(np.int32)
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    write(root, "embed_layer_normalization", "EmbedLayerNormalization",
          [ids, segments, real(11, 8), real(6, 8), real(2, 8), gamma, beta, mask], ["y", "lengths"], {"epsilon": 1e-5})


def activations(root):
    x, bias = real(2, 3, 8), real(8)
    write(root, "bias_gelu", "BiasGelu", [x, bias], ["y"], {})
    write(root, "fast_gelu", "FastGelu", [x, bias], ["y"], {})
    write(root, "quick_gelu", "QuickGelu", [x], ["y"], {})


def rotary(root):
    cos, sin = tables(16, 4)
    positions = np.array([[3, 4, 5], [7, 8, 9]], np.int64)
    for interleaved in (0, 1):
        write(root, f"rotary_{interleaved}", "RotaryEmbedding", [real(2, 3, 16), positions, cos, sin], ["y"],
              {"interleaved": interleaved})
    write(root, "rotary_partial", "RotaryEmbedding", [real(2, 3, 24), np.array([2], np.int64), cos, sin], ["y"],
          {"rotary_embedding_dim": 8, "num_heads": 2})


def attention(root):
    x, weights, bias = real(2, 3, 8), real(8, 24), real(24)
    write(root, "attention", "Attention", [x, weights, bias], ["y"], {"num_heads": 2})
    write(root, "attention_causal_past", "Attention", [x, weights, bias, None, real(2, 2, 2, 4, 4)], ["y", "present"],
          {"num_heads": 2, "unidirectional": 1})
    mask = np.array([[1, 1, 0], [1, 0, 0]], np.int32)
    write(root, "attention_mask", "Attention", [x, weights, bias, mask], ["y"], {"num_heads": 2})
    write(root, "attention_lengths", "Attention", [x, weights, bias, np.array([2, 3], np.int32)], ["y"], {"num_heads": 2})
    q, k, v = real(2, 3, 8), real(2, 5, 8), real(2, 5, 12)
    write(root, "multi_head", "MultiHeadAttention", [q, k, v], ["y"], {"num_heads": 2})
    write(root, "multi_head_bias", "MultiHeadAttention", [q, k, v, real(28), None, real(1, 2, 3, 5)], ["y"],
          {"num_heads": 2, "scale": 0.3})
    padding = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32)
    write(root, "multi_head_mask", "MultiHeadAttention", [q, k, v, None, padding], ["y"], {"num_heads": 2})
    write(root, "multi_head_past", "MultiHeadAttention",
          [q, real(2, 3, 8), real(2, 3, 8), None, None, None, real(2, 2, 4, 4), real(2, 2, 4, 4)],
          ["y", "key", "value"], {"num_heads": 2, "unidirectional": 1})
    write(root, "multi_head_cross", "MultiHeadAttention", [q, real(2, 2, 5, 4), real(2, 2, 5, 4)], ["y"], {"num_heads": 2})


def grouped(root):
    """Two heads of size 16 that share one."""
    cos, sin = tables(16, 8)

    def case(name, rows, past, lengths, total, packed=False, more=(), **attributes):
        batch = len(lengths)
        q = real(batch, rows, 64) if packed else real(batch, rows, 32)
        k, v = (None, None) if packed else (real(batch, rows, 16), real(batch, rows, 16))
        caches = [real(batch, 1, past, 16), real(batch, 1, past, 16)]
        inputs = [q, k, v, *caches, np.array(lengths, np.int32) - 1, np.array([total], np.int32), *more]
        write(root, f"gqa_{name}", "GroupQueryAttention", inputs, ["y", "key", "value"],
              {"num_heads": 2, "kv_num_heads": 1, **attributes})

    case("prompt", 5, 0, [5, 5], 5)
    case("step", 1, 6, [7, 7], 7)
    case("step_packed", 1, 6, [7, 7], 7, packed=True)
    case("chunk", 3, 4, [7], 7)
    case("window", 6, 0, [6, 6], 6, local_window_size=3)
    case("softcap", 5, 0, [5, 5], 5, softcap=2.0, scale=0.5)
    case("rotary", 1, 6, [7, 7], 7, more=[cos, sin], do_rotary=1)
    case("rotary_interleaved", 5, 0, [5, 5], 5, more=[cos, sin], do_rotary=1, rotary_interleaved=1)
    case("smooth", 5, 0, [5, 5], 5, smooth_softmax=1)
    case("sink", 5, 0, [5, 5], 5, more=[None, None, None, None, real(2)])
    case("bias", 5, 0, [5, 5], 5, more=[None, None, None, real(1, 2, 5, 5)])
    case("uneven_step", 1, 6, [4, 7], 7)


def quantized(root):
    def packed(bits, rows, blocks, size):
        return RANDOM.integers(0, 256, (rows, blocks, size * bits // 8)).astype(np.uint8)

    x = real(2, 3, 64)
    for bits in (4, 8):
        attributes = {"N": 6, "K": 64, "bits": bits, "block_size": 32}
        zeros = RANDOM.integers(0, 256, (6, 2 * bits // 8)).astype(np.uint8)
        write(root, f"matmul_{bits}_bits", "MatMulNBits", [x, packed(bits, 6, 2, 32), real(6, 2)], ["y"], attributes)
        write(root, f"matmul_{bits}_bits_zeros", "MatMulNBits", [x, packed(bits, 6, 2, 32), real(6, 2), zeros], ["y"],
              attributes)
    table = RANDOM.integers(0, 256, (9, 16)).astype(np.uint8)
    write(root, "gather_blocks", "GatherBlockQuantized",
          [table, np.array([[3, 0], [8, -1]], np.int64), real(9, 2), RANDOM.integers(0, 256, (9, 1)).astype(np.uint8)],
          ["y"], {"bits": 4, "block_size": 16, "gather_axis": 0, "quantize_axis": 1})


def experts(root):
    """Three experts of eight, two chosen."""
    x, router = real(4, 32), real(4, 3)
    for name, attributes in (("silu", {"activation_type": "silu", "normalize_routing_weights": 1}),
                             ("gelu", {"activation_type": "gelu"})):
        write(root, f"moe_{name}", "MoE", [x, router, real(3, 8, 32), real(3, 8), real(3, 32, 8), real(3, 32)], ["y"],
              {"k": 2, **attributes})
    swiglu = {"k": 2, "activation_type": "swiglu", "swiglu_fusion": 1, "activation_alpha": 1.702, "activation_beta": 1.0,
              "swiglu_limit": 7.0, "normalize_routing_weights": 1}
    write(root, "moe_swiglu", "MoE", [x, router, real(3, 16, 32), real(3, 16), real(3, 32, 8), real(3, 32)], ["y"], swiglu)

    def weights(rows, columns, bits):
        return RANDOM.integers(0, 256, (3, rows, columns * bits // 8)).astype(np.uint8)

    for bits in (4, 8):
        write(root, f"qmoe_{bits}_bits", "QMoE",
              [x, router, weights(64, 32, bits), real(3, 64) / 9, real(3, 64), weights(32, 32, bits), real(3, 32) / 9,
               real(3, 32)], ["y"], {**swiglu, "expert_weight_bits": bits})


def products(root):
    """Of sizes that no tile of registers or caches divides."""
    write(root, "product_deep", "MatMul", [real(2, 7, 260), real(260, 18)], ["y"], {}, "")
    write(root, "product_transposed", "Gemm", [real(260, 5), real(18, 260), real(18)], ["y"], {"transA": 1, "transB": 1}, "")
    write(root, "product_broadcast", "MatMul", [real(2, 1, 5, 20), real(3, 20, 17)], ["y"], {}, "")


def pools(root):
    """Windows that reach beyond the padding, or lie in it alone."""
    x = np.arange(1, 13, dtype=np.float32).reshape(1, 2, 2, 3)
    beyond = {"kernel_shape": [2, 3], "pads": [1, 1, 1, 1], "strides": [2, 3], "ceil_mode": 1}
    outside = {"kernel_shape": [1, 2], "dilations": [1, 4], "pads": [0, 1, 0, 1]}
    for name, attributes in {"beyond": beyond, "outside": outside}.items():
        write(root, f"max_pool_{name}", "MaxPool", [x], ["y"], attributes, "")
        for pads in (0, 1):
            write(root, f"average_pool_{name}_{'padded' if pads else 'plain'}", "AveragePool", [x], ["y"],
                  attributes | {"count_include_pad": pads}, "")


def main():
    root = pathlib.Path(sys.argv[1])
    for family in (norms, activations, rotary, attention, grouped, quantized, experts, products, pools):
        family(root)


if __name__ == "__main__":
    main()
