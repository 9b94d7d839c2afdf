"""Styles of attention in which the graph itself puts keys and values into its caches, fused or of standard operators alone."""

import struct

from onnx_attention import Grouped, MultiHead, Paged, Projected, Standard
from onnx_file import FLOAT, INT8, INT64


class Whole(Standard):
    """Heads in axes of their own, rotated by cosines of the tokens' positions; attention over all keys and values."""

    def tables(self):
        g, base = self.g, self.d.gguf["rope.freq_base"]
        frequencies = g.tensor("frequencies", FLOAT, [self.half], struct.pack(
            f"<{self.half}f", *(base ** (-i / self.half) for i in range(self.half))))
        positions = g.node("Unsqueeze", [g.node("Cast", ["position_ids"], "positions", to=FLOAT), g.integers("axis2", 2)], "positions3")
        angles = g.node("Mul", [positions, frequencies], "angles")
        self.waves = [g.node("Cast", [g.node(op, [angles], op.lower())], op.lower() + "_cache", to=self.real) for op in ("Cos", "Sin")]

    def prepare(self):
        super().prepare()
        self.opset = 24 if self.o.cache == "tensorscatter" else self.opset
        if self.o.cache == "tensorscatter":
            for name in ("write_indices", "nonpad_kv_seqlen"):
                self.g.input(name, INT64, ["batch"])
        self.mask_name = self.seen()

    def total(self):
        return super().total() if self.o.cache in ("growing", "tensorscatter", "quantised") else self.g.integers("room", self.o.room, dims=[])

    def caches(self, layer):
        past, present = super().caches(layer)
        if self.o.cache == "quantised":
            self.g.inputs[-2:] = [(name, INT8, dims) for name, _, dims in self.g.inputs[-2:]]
        elif self.o.cache != "growing":
            for values in (self.g.inputs, self.g.outputs):
                values[-2:] = [(name, element, [*dims[:2], self.o.room, dims[3]]) for name, element, dims in values[-2:]]
        return past, present

    def append(self, old, new, present):
        """The step's keys or values behind those of a cache, or written into one that has room for all."""
        g, cache = self.g, self.o.cache
        if cache == "quantised":
            old = g.node("DequantizeLinear", [old, self.number("cache.scale", 0.02)], present + ".old")
        if cache in ("growing", "quantised"):
            g.node("Concat", [old, new], present, axis=2)
        elif cache == "tensorscatter":
            g.node("TensorScatter", [old, new, "write_indices"], present, axis=2)
        elif cache == "scatterelements":
            rows = g.node("Reshape", ["position_ids", g.integers("rows", 1, 1, -1, 1)], present + ".rows")
            places = g.node("Expand", [rows, g.node("Shape", [new], present + ".shape")], present + ".places")
            g.node("ScatterElements", [old, places, new], present, axis=2)
        else:  # as PyTorch writes index_copy
            turned = [g.node("Transpose", [x], f"{present}.{which}", perm=[2, 0, 1, 3]) for which, x in (("old", old), ("new", new))]
            places = g.node("Reshape", ["position_ids", g.integers("places", -1, 1)], present + ".places")
            written = g.node("ScatterND", [turned[0], places, turned[1]], present + ".written")
            g.node("Transpose", [written], present, perm=[1, 2, 0, 3])

    def split(self, x, heads, name):
        rows = self.g.node("Reshape", [x, self.g.integers(f"split.{heads}", 0, -1, heads, self.head)], name + ".split")
        return self.g.node("Transpose", [rows], name + ".heads", perm=[0, 2, 1, 3])

    def rotated(self, x, heads, name):
        turned = {"rotary_embedding_dim": 2 * self.half} if 2 * self.half != self.head else {}
        return self.g.node("RotaryEmbedding", [self.split(x, heads, name), *self.waves], name,
                           interleaved=int(self.o.interleaved), **turned)

    def attend(self, layer, name, q, k, v, past, outputs):
        g = self.g
        for old, new, present in zip(past, (k, self.split(v, self.kv_heads, name + ".v")), outputs[1:]):
            self.append(old, new, present)
        y = self.attention(name, q, *outputs[1:])
        beside = g.node("Transpose", [y], name + ".beside", perm=[0, 2, 1, 3])
        g.node("Reshape", [beside, g.integers("beside", 0, -1, self.heads * self.head)], name)

    def attention(self, name, q, k, v):
        if self.o.cache == "tensorscatter":
            return self.g.node("Attention", [q, k, v, "", "", "", "nonpad_kv_seqlen"], name + ".heads", is_causal=1)
        return self.g.node("Attention", [q, k, v, self.mask_name], name + ".heads")


class Decomposed(Whole):
    """Standard operators alone: the arithmetic of rotations, repeated keys and values, products and a softmax."""

    opset = 18

    def prepare(self):
        super().prepare()
        g = self.g
        self.mask_name = g.node("Where", [self.mask_name, self.number("visible", 0.0), self.number("hidden", -1e4)], "mask")
        if self.o.interleaved:
            both = [self.pairs(wave, wave, f"{wave}.both", [0, -1, 2 * self.half]) for wave in self.waves]
        else:
            both = [g.node("Concat", [wave, wave], f"{wave}.both", axis=-1) for wave in self.waves]
        self.waves = [g.node("Unsqueeze", [wave, g.integers("axis1", 1)], f"{wave}.heads") for wave in both]

    def pairs(self, a, b, name, shape):
        """Elements of a and b in turn."""
        g, last = self.g, self.g.integers("axis-1", -1)
        stack = g.node("Concat", [g.node("Unsqueeze", [x, last], f"{name}.{i}") for i, x in enumerate((a, b))], name + ".stack", axis=-1)
        return g.node("Reshape", [stack, g.integers("shape." + ".".join(map(str, shape)), *shape)], name)

    def slice(self, x, name, first, end, step=1):
        numbers = [self.g.integers(f"number{value}", value) for value in (first, end, -1, step)]
        return self.g.node("Slice", [x, *numbers], name)

    def rotated(self, x, heads, name):
        g, length = self.g, 2 * self.half
        whole = self.split(x, heads, name)
        x = whole if length == self.head else self.slice(whole, name + ".part", 0, length)
        places = ((0, length, 2), (1, length, 2)) if self.o.interleaved else ((0, self.half), (self.half, length))
        first, second = (self.slice(x, f"{name}.{which}", *place) for which, place in zip(("first", "second"), places))
        second = g.node("Neg", [second], name + ".minus")
        if self.o.interleaved:
            turned = self.pairs(second, first, name + ".turned", [0, heads, -1, length])
        else:
            turned = g.node("Concat", [second, first], name + ".turned", axis=-1)
        products = [g.node("Mul", [a, b], f"{name}.{op}") for op, a, b in zip(("by_cos", "by_sin"), (x, turned), self.waves)]
        y = g.node("Add", products, name)
        if length == self.head:
            return y
        return g.node("Concat", [y, self.slice(whole, name + ".rest", length, self.head)], name + ".whole", axis=-1)

    def repeated(self, x, name):
        g, times = self.g, self.heads // self.kv_heads
        if times == 1:
            return x
        x = g.node("Unsqueeze", [x, g.integers("axis2", 2)], name + ".unsqueezed")
        shape = g.integers("times", 1, 1, times, 1, 1)
        x = g.node("Tile" if self.o.repeat == "tile" else "Expand", [x, shape], name + ".times")
        return g.node("Reshape", [x, g.integers("repeated", 0, self.heads, -1, self.head)], name + ".repeated")

    def attention(self, name, q, k, v):
        g = self.g
        k, v = self.repeated(k, name + ".key"), self.repeated(v, name + ".value")
        if self.o.product == "einsum":
            scores = g.node("Einsum", [q, k], name + ".scores", equation="bhid,bhjd->bhij")
        else:
            scores = g.node("MatMul", [q, g.node("Transpose", [k], name + ".turned", perm=[0, 1, 3, 2])], name + ".scores")
        scaled = g.node("Mul", [scores, self.number("scale", self.head ** -0.5)], name + ".scaled")
        weights = g.node("Softmax", [g.node("Add", [scaled, self.mask_name], name + ".masked")], name + ".softmax", axis=-1)
        if self.o.product == "einsum":
            return g.node("Einsum", [weights, v], name + ".heads", equation="bhij,bhjd->bhid")
        return g.node("MatMul", [weights, v], name + ".heads")


STYLES = {"grouped": Grouped, "paged": Paged, "multihead": MultiHead, "projected": Projected, "standard": Standard, "whole": Whole,
          "decomposed": Decomposed}
