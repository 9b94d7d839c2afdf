#!/usr/bin/env python3
"""Write a GGUF model of the llama family, or a GPT-2, as an ONNX decoder, the way exporters do: from the standard library alone, the same
arguments give the same bytes.

    make_onnx_model.py MODEL.gguf OUT.onnx                                        GroupQueryAttention that rotates
    make_onnx_model.py MODEL.gguf OUT.onnx --attention multihead --weights f16    (as many key heads as query heads)
    make_onnx_model.py MODEL.gguf OUT.onnx --attention standard                   Attention, RMSNormalization, RotaryEmbedding of opset 23
    make_onnx_model.py MODEL.gguf OUT.onnx --attention whole                      the same over keys and values that the graph appends
    make_onnx_model.py MODEL.gguf OUT.onnx --attention decomposed                 products, a softmax and the arithmetic of rotations
    make_onnx_model.py GPT2.gguf OUT.onnx --attention projected                   onnxruntime's Attention, with projections inside (or multihead)
    make_onnx_model.py MODEL.gguf OUT.onnx --attention whole --cache tensorscatter   caches of a fixed size
    make_onnx_model.py MODEL.gguf OUT.onnx --packed --interleaved --weights blocks
    make_onnx_model.py MODEL.gguf OUT.onnx --head-norms below                     as onnxruntime-genai writes norms of heads
    make_onnx_model.py 7B.gguf OUT.onnx --header-only                             weights are a hole in OUT.onnx.data
    make_onnx_model.py MODEL.gguf OUT.onnx --attribute GroupQueryAttention.softcap=3.0
    make_onnx_model.py MODEL.gguf OUT.onnx --drop-input GroupQueryAttention.3     (to be refused)

Weights are F32 or F16, or with `blocks` what Q8_0 and Q4_0 are as MatMulNBits and GatherBlockQuantized, with `qdq` as
DequantizeLinear; norms are plain.
"""

import argparse
import pathlib

from gguf_file import Gguf
from onnx_decomposed import STYLES
from onnx_edit import add_options, edit, number_or_text
from onnx_experts import FUSIONS, Experts
from onnx_file import CONTRIB, Graph
from onnx_weights import Weights


class Decoder:
    def __init__(self, gguf, options):
        self.gguf, self.o, self.g = gguf, options, Graph()
        self.layers, self.width = gguf["block_count"], gguf["embedding_length"]
        self.heads, self.kv_heads = gguf["attention.head_count"], gguf["attention.head_count_kv"]
        self.head = self.width // self.heads
        self.gpt2 = gguf.arch == "gpt2"
        self.epsilon = gguf["attention.layer_norm_epsilon" if self.gpt2 else "attention.layer_norm_rms_epsilon"]
        self.weights = Weights(gguf, options, self.g)
        self.real, self.linear, self.plain = self.weights.real, self.weights.linear, self.weights.plain
        self.attention = STYLES[options.attention](self)
        self.standard = self.attention.opset >= 23

    # --- a layer

    def norm(self, x, name):
        weight = self.plain(name + ".weight")
        if self.gpt2:
            return self.g.node("LayerNormalization", [x, weight, self.plain(name + ".bias")], name, epsilon=self.epsilon, axis=-1)
        if self.standard:
            return self.g.node("RMSNormalization", [x, weight], name, epsilon=self.epsilon)
        return self.g.node("SimplifiedLayerNormalization", [x, weight], name, epsilon=self.epsilon, axis=-1)

    def skip_norm(self, x, skip, name):
        """The sum and its norm."""
        if self.standard:
            total = self.g.node("Add", [x, skip], name + ".sum")
            return total, self.norm(total, name)
        outputs = [name, "", "", name + ".sum"]
        op, bias = ("SkipLayerNormalization", [self.plain(name + ".bias")]) if self.gpt2 else ("SkipSimplifiedLayerNormalization", [])
        self.g.node(op, [x, skip, self.plain(name + ".weight"), *bias], name, CONTRIB, outputs, epsilon=self.epsilon)
        return outputs[3], outputs[0]

    def feed_forward(self, layer, x):
        prefix, g = f"blk.{layer}.", self.g
        if prefix + "ffn_gate_inp.weight" in self.gguf.tensors:
            return Experts(self).feed_forward(layer, x)
        if self.gpt2:
            up = self.linear(x, [prefix + "ffn_up.weight"], f"ffn.{layer}.up")
            return self.linear(g.node("FastGelu", [up], f"ffn.{layer}.gelu", CONTRIB), [prefix + "ffn_down.weight"], f"ffn.{layer}.down")
        gate = self.linear(x, [prefix + "ffn_gate.weight"], f"ffn.{layer}.gate")
        up = self.linear(x, [prefix + "ffn_up.weight"], f"ffn.{layer}.up")
        sigmoid = g.node("Sigmoid", [gate], f"ffn.{layer}.sigmoid")
        product = g.node("Mul", [g.node("Mul", [gate, sigmoid], f"ffn.{layer}.silu"), up], f"ffn.{layer}.product")
        return self.linear(product, [prefix + "ffn_down.weight"], f"ffn.{layer}.down")

    def build(self):
        self.attention.prepare()
        x = self.weights.table("input_ids", "token_embd.weight", "embedding")
        if self.gpt2:
            rows = self.g.node("Gather", [self.plain("position_embd.weight"), "position_ids"], "positions", axis=0)
            x = self.g.node("Add", [x, rows], "embedded")
        normed = self.norm(x, "blk.0.attn_norm" if self.layers else "output_norm")
        for layer in range(self.layers):
            x, normed = self.skip_norm(x, self.attention.layer(layer, normed), f"blk.{layer}.ffn_norm")
            last = layer + 1 == self.layers
            x, normed = self.skip_norm(x, self.feed_forward(layer, normed), "output_norm" if last else f"blk.{layer + 1}.attn_norm")
        head = "output.weight" if "output.weight" in self.gguf.tensors else "token_embd.weight"
        logits = self.linear(normed, [head], "logits")
        self.g.outputs.insert(0, (logits, self.real, [*self.attention.logits_dims(), self.gguf.dims(head)[0]]))
        return self.g


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--attention", choices=STYLES, default="grouped")
    parser.add_argument("--rotary", choices=("inside", "outside"), help="of the attention; without, as the style usually has it")
    parser.add_argument("--head-norms", choices=("inside", "below"), default="inside",
                        help="norms of heads: inside of the attention, or as norms of heads one below another")
    parser.add_argument("--interleaved", action="store_true", help="rotary pairs side by side")
    parser.add_argument("--packed", action="store_true", help="query, key and value from one product")
    parser.add_argument("--window", type=int, default=0, help="positions that a token sees, by the mask")
    parser.add_argument("--cache", choices=("growing", "scatternd", "scatterelements", "tensorscatter", "quantised"), default="growing",
                        help="or of a fixed size, and how a step writes to it, or of eight bits: whole and decomposed attention")
    parser.add_argument("--room", type=number_or_text, default=64, help="positions of a cache of a fixed size; a name for tensorscatter")
    parser.add_argument("--repeat", choices=("expand", "tile"), default="expand", help="of keys, in decomposed attention")
    parser.add_argument("--product", choices=("matmul", "einsum"), default="matmul", help="in decomposed attention")
    parser.add_argument("--experts", choices=FUSIONS, default="apart", help="gate and up of experts in tensors of their own, or in one")
    parser.add_argument("--expert-biases", type=float, help="a number that each bias of an expert is; without, there are none")
    parser.add_argument("--weights", choices=("f32", "f16", "blocks", "qdq"), default="f32")
    parser.add_argument("--block-size", type=int, choices=(16, 32), default=32, help="columns to a scale")
    parser.add_argument("--zero-points", action="store_true", help="of MatMulNBits, all in the middle")
    parser.add_argument("--header-only", action="store_true", help="weights are a hole in OUT.data")
    parser.add_argument("--opset", type=int, default=0)
    add_options(parser)
    options = parser.parse_args()
    decoder = Decoder(Gguf(options.model), options)
    graph = decoder.build()
    edit(graph, options)
    graph.write(options.out, options.opset or decoder.attention.opset, options.out.name + ".data" if options.header_only else None)


if __name__ == "__main__":
    main()
