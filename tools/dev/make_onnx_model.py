#!/usr/bin/env python3
"""Write a GGUF model of the llama family as an ONNX decoder, the way exporters do: from the standard library alone, the same
arguments give the same bytes.

    make_onnx_model.py MODEL.gguf OUT.onnx                                        GroupQueryAttention that rotates
    make_onnx_model.py MODEL.gguf OUT.onnx --attention multihead --weights f16    (as many key heads as query heads)
    make_onnx_model.py MODEL.gguf OUT.onnx --attention standard                   Attention, RMSNormalization, RotaryEmbedding of opset 23
    make_onnx_model.py MODEL.gguf OUT.onnx --packed --interleaved --weights blocks
    make_onnx_model.py 7B.gguf OUT.onnx --header-only                             weights are a hole in OUT.onnx.data
    make_onnx_model.py MODEL.gguf OUT.onnx --attribute GroupQueryAttention.softcap=3.0
    make_onnx_model.py MODEL.gguf OUT.onnx --drop-input GroupQueryAttention.3     (to be refused)

Weights are F32 or F16, or with `blocks` what Q8_0 and Q4_0 are as MatMulNBits and GatherBlockQuantized, with `qdq` as
DequantizeLinear; norms are plain.
"""

import argparse
import math
import pathlib

from gguf_file import Gguf
from onnx_file import BOOL, CONTRIB, FLOAT, INT32, INT64, Graph
from onnx_weights import Weights


class Decoder:
    def __init__(self, gguf, options):
        self.gguf, self.o, self.g = gguf, options, Graph()
        self.layers, self.width = gguf["block_count"], gguf["embedding_length"]
        self.heads, self.kv_heads = gguf["attention.head_count"], gguf["attention.head_count_kv"]
        self.head = self.width // self.heads
        self.epsilon = gguf["attention.layer_norm_rms_epsilon"]
        self.weights = Weights(gguf, options, self.g)
        self.real, self.linear, self.plain = self.weights.real, self.weights.linear, self.weights.plain
        self.standard = options.attention == "standard"
        if options.attention == "multihead" and self.heads != self.kv_heads:
            raise SystemExit("make_onnx_model.py: MultiHeadAttention takes as many key heads as query heads")

    # --- what layers share

    def inputs(self):
        if self.o.attention == "paged":
            self.g.input("input_ids", INT64, ["num_tokens"])
            self.g.input("cumulative_sequence_lengths", INT32, ["batch_plus_1"])
            self.g.input("past_sequence_lengths", INT32, ["batch"])
            self.g.input("block_table", INT32, ["batch", "max_blocks"])
            return
        self.g.input("input_ids", INT64, ["batch", "sequence"])
        self.g.input("attention_mask", INT64, ["batch", "total"])
        if self.o.rotary == "outside":
            self.g.input("position_ids", INT64, ["batch", "sequence"])

    def tables(self):
        count, base = self.gguf["rope.dimension_count"] // 2, self.gguf["rope.freq_base"]
        rows = range(self.gguf["context_length"])
        self.half = count
        for name, function in (("cos_cache", math.cos), ("sin_cache", math.sin)):
            values = [function(row * base ** (-i / count)) for row in rows for i in range(count)]
            self.g.tensor(name, self.real, [len(rows), count], self.weights.reals(values))

    def mask(self):
        """The causal mask as arithmetic: 0 where the key's position is at most the query's."""
        g = self.g
        zero, one = g.integers("zero", 0, dims=[]), g.integers("one", 1, dims=[])
        total = g.node("Gather", [g.node("Shape", ["attention_mask"], "mask.shape"), one], "mask.total", axis=0)
        keys = g.node("Range", [zero, total, one], "mask.keys")
        queries = g.node("Unsqueeze", ["position_ids", g.integers("axis2", 2)], "mask.queries")
        seen = g.node("LessOrEqual", [keys, queries], "mask.seen")
        seen = g.node("Unsqueeze", [seen, g.integers("axis1", 1)], "mask.seen4")
        numbers = [g.tensor(name, self.real, [], self.weights.reals([value])) for name, value in (("visible", 0.0), ("hidden", -1e4))]
        return g.node("Where", [seen, *numbers], "mask")

    def lengths(self):
        g = self.g
        one = g.integers("one", 1, dims=[])
        tokens = g.node("ReduceSum", ["attention_mask", g.integers("axis1", 1)], "lengths.tokens", keepdims=0)
        last = g.node("Cast", [g.node("Sub", [tokens, one], "lengths.last64")], "lengths.last", to=INT32)
        total = g.node("Gather", [g.node("Shape", ["attention_mask"], "lengths.shape"), one], "lengths.total64", axis=0)
        return [last, g.node("Cast", [total], "lengths.total", to=INT32)]

    # --- a layer

    def norm(self, x, name):
        weight = self.plain(name + ".weight")
        if self.standard:
            return self.g.node("RMSNormalization", [x, weight], name, epsilon=self.epsilon)
        return self.g.node("SimplifiedLayerNormalization", [x, weight], name, epsilon=self.epsilon, axis=-1)

    def skip_norm(self, x, skip, name):
        """The sum and its norm."""
        if self.standard:
            total = self.g.node("Add", [x, skip], name + ".sum")
            return total, self.norm(total, name)
        outputs = [name, "", "", name + ".sum"]
        self.g.node("SkipSimplifiedLayerNormalization", [x, skip, self.plain(name + ".weight")], name, CONTRIB, outputs,
                    epsilon=self.epsilon)
        return outputs[3], outputs[0]

    def rotated(self, x, heads, name):
        turned = {"interleaved": int(self.o.interleaved), "num_heads": heads}
        if 2 * self.half != self.head:
            turned["rotary_embedding_dim"] = 2 * self.half
        if self.standard:
            return self.g.node("RotaryEmbedding", [x, "cos_cache", "sin_cache", "position_ids"], name, **turned)
        return self.g.node("RotaryEmbedding", [x, "position_ids", "cos_cache", "sin_cache"], name, CONTRIB, **turned)

    def caches(self, layer):
        page = ["num_blocks", 256, self.kv_heads, self.head]
        rows = page if self.o.attention == "paged" else ["batch", self.kv_heads, "past", self.head]
        after = page if self.o.attention == "paged" else ["batch", self.kv_heads, "total", self.head]
        past, present = ([f"{when}.{layer}.{what}" for what in ("key", "value")] for when in ("past_key_values", "present"))
        for name in past:
            self.g.input(name, self.real, rows)
        for name in present:
            self.g.output(name, self.real, after)
        return past, present

    def attention(self, layer, x):
        prefix, g, o = f"blk.{layer}.", self.g, self.o
        name = f"attn.{layer}"
        if o.packed:
            q, k, v = self.linear(x, [f"{prefix}attn_{what}.weight" for what in "qkv"], name + ".qkv"), "", ""
        else:
            q = self.linear(x, [prefix + "attn_q.weight"], name + ".q")
            q = self.rotated(q, self.heads, name + ".q_rotated") if o.rotary == "outside" else q
            k = self.linear(x, [prefix + "attn_k.weight"], name + ".k")
            k = self.rotated(k, self.kv_heads, name + ".k_rotated") if o.rotary == "outside" else k
            v = self.linear(x, [prefix + "attn_v.weight"], name + ".v")
        past, present = self.caches(layer)
        outputs, heads = [name, *present], {"num_heads": self.heads, "kv_num_heads": self.kv_heads}
        if self.standard:
            g.node("Attention", [q, k, v, "", *past], name, "", outputs, q_num_heads=self.heads, kv_num_heads=self.kv_heads,
                   is_causal=1)
        elif o.attention == "multihead":
            g.node("MultiHeadAttention", [q, k, v, "", "", self.mask_name, *past], name, CONTRIB, outputs, num_heads=self.heads)
        else:
            inside = ["cos_cache", "sin_cache"] if o.rotary == "inside" else ["", ""]
            turned = {"do_rotary": 1, "rotary_interleaved": int(o.interleaved)} if o.rotary == "inside" else {}
            if o.attention == "paged":
                lengths = ["cumulative_sequence_lengths", "past_sequence_lengths", "block_table"]
                norms = ["", "", prefix + "attn_q_norm.weight", prefix + "attn_k_norm.weight"]
                op = "PagedAttention"
            else:
                lengths = self.length_names
                norms = ["", "", "", "", "", prefix + "attn_q_norm.weight", prefix + "attn_k_norm.weight"]
                op = "GroupQueryAttention"
            if norms[-1] in self.gguf.tensors:
                norms[-2:] = [self.plain(each) for each in norms[-2:]]
                turned["qk_norm_epsilon"] = self.epsilon
            else:
                norms = []
            g.node(op, [q, k, v, *past, *lengths, *inside, *norms], name, CONTRIB, outputs, **heads, **turned)
        return self.linear(name, [prefix + "attn_output.weight"], name + ".o")

    def feed_forward(self, layer, x):
        prefix, g = f"blk.{layer}.", self.g
        gate = self.linear(x, [prefix + "ffn_gate.weight"], f"ffn.{layer}.gate")
        up = self.linear(x, [prefix + "ffn_up.weight"], f"ffn.{layer}.up")
        sigmoid = g.node("Sigmoid", [gate], f"ffn.{layer}.sigmoid")
        product = g.node("Mul", [g.node("Mul", [gate, sigmoid], f"ffn.{layer}.silu"), up], f"ffn.{layer}.product")
        return self.linear(product, [prefix + "ffn_down.weight"], f"ffn.{layer}.down")

    def build(self):
        self.inputs()
        self.tables()
        if self.o.attention == "multihead":
            self.mask_name = self.mask()
        elif self.o.attention == "grouped":
            self.length_names = self.lengths()
        x = self.weights.table("input_ids", "token_embd.weight", "embedding")
        normed = self.norm(x, "blk.0.attn_norm" if self.layers else "output_norm")
        for layer in range(self.layers):
            x, normed = self.skip_norm(x, self.attention(layer, normed), f"blk.{layer}.ffn_norm")
            last = layer + 1 == self.layers
            x, normed = self.skip_norm(x, self.feed_forward(layer, normed), "output_norm" if last else f"blk.{layer + 1}.attn_norm")
        head = "output.weight" if "output.weight" in self.gguf.tensors else "token_embd.weight"
        logits = self.linear(normed, [head], "logits")
        dims = ["num_tokens"] if self.o.attention == "paged" else ["batch", "sequence"]
        self.g.outputs.insert(0, (logits, self.real, [*dims, self.gguf.dims(head)[0]]))
        return self.g


def number_or_text(value):
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


def insert(graph, place, kind):
    """A node before the first one of an operator, through which that reads an input."""
    op, _, index = place.partition(".")
    reader = next(node for node in graph.nodes if node["op"] == op)
    x, g = reader["inputs"][int(index)], graph
    forms = {"backwards": ("Slice", [x, *(g.integers(f"inserted.{i}", each) for i, each in enumerate((-1, -1 << 40, -1, -1)))]),
             "always": ("Where", [g.tensor("inserted.true", BOOL, [1], b"\1"), x, g.tensor("inserted.zero", FLOAT, [], bytes(4))]),
             "next": ("Add", [x, g.integers("inserted.one", 1)]),
             "as-it-is": ("Transpose", [x])}
    g.node(*forms[kind], "inserted", **({"perm": [0, 1]} if kind == "as-it-is" else {}))
    g.nodes.insert(g.nodes.index(reader), g.nodes.pop())
    reader["inputs"][int(index)] = "inserted"


def edit(graph, options):
    """What makes a model that is to be refused."""
    def nodes(item):
        op, _, rest = item.partition(".")
        return [node for node in graph.nodes if node["op"] == op], rest
    for item in options.attribute:
        name, _, value = item.partition("=")
        for node in nodes(name)[0]:
            node["attributes"][nodes(name)[1]] = number_or_text(value)
    for item in options.drop_input:
        for node in nodes(item)[0]:
            node["inputs"][int(nodes(item)[1])] = ""
    for item in options.rename:
        name, _, value = item.partition("=")
        for node in nodes(name)[0]:
            node["op"] = value
    for item in options.insert:
        insert(graph, *item.partition("=")[::2])
    for item in options.input:
        name, _, dims = item.partition("=")
        graph.input(name, FLOAT, [number_or_text(dim) for dim in dims.split("x")])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--attention", choices=("grouped", "multihead", "standard", "paged"), default="grouped")
    parser.add_argument("--rotary", choices=("inside", "outside"), help="of the attention; multihead and standard: outside")
    parser.add_argument("--interleaved", action="store_true", help="rotary pairs side by side")
    parser.add_argument("--packed", action="store_true", help="query, key and value from one product")
    parser.add_argument("--weights", choices=("f32", "f16", "blocks", "qdq"), default="f32")
    parser.add_argument("--block-size", type=int, choices=(16, 32), default=32, help="columns to a scale")
    parser.add_argument("--zero-points", action="store_true", help="of MatMulNBits, all in the middle")
    parser.add_argument("--header-only", action="store_true", help="weights are a hole in OUT.data")
    parser.add_argument("--opset", type=int, default=0)
    parser.add_argument("--attribute", action="append", default=[], metavar="OP.NAME=VALUE")
    parser.add_argument("--drop-input", action="append", default=[], metavar="OP.INDEX")
    parser.add_argument("--insert", action="append", default=[], metavar="OP.INDEX=KIND",
                        help="read an input backwards, if a condition always holds (always), one further (next), or as-it-is")
    parser.add_argument("--rename", action="append", default=[], metavar="OP=OTHER")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=DIMS", help="one more, which nothing reads")
    options = parser.parse_args()
    outside = options.attention in ("multihead", "standard")
    options.rotary = options.rotary or ("outside" if outside else "inside")

    graph = Decoder(Gguf(options.model), options).build()
    edit(graph, options)
    opset = options.opset or (23 if options.attention == "standard" else 21)
    graph.write(options.out, opset, options.out.name + ".data" if options.header_only else None)


if __name__ == "__main__":
    main()
