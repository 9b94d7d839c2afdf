"""How decoders write attention: inputs, rotations, caches and the attention itself, in the styles of different exporters."""

import math

from onnx_file import CONTRIB, INT32, INT64


class Attention:
    """What styles share. A style says what a node of attention, or several, make of projected queries, keys and values."""

    rotary = "outside"
    opset = 21

    def __init__(self, decoder):
        self.d, self.g, self.o = decoder, decoder.g, decoder.o
        self.heads, self.kv_heads, self.head = decoder.heads, decoder.kv_heads, decoder.head
        self.real, self.plain, self.linear = decoder.real, decoder.plain, decoder.linear
        self.outside = (self.o.rotary or self.rotary) == "outside"
        self.half = decoder.gguf["rope.dimension_count"] // 2

    # --- what layers share

    def prepare(self):
        self.g.input("input_ids", INT64, ["batch", "sequence"])
        self.g.input("attention_mask", INT64, ["batch", "total"])
        if self.outside:
            self.g.input("position_ids", INT64, ["batch", "sequence"])
        if not self.d.gpt2:
            self.tables()

    def logits_dims(self):
        return ["batch", "sequence"]

    def tables(self):
        base, rows = self.d.gguf["rope.freq_base"], range(self.d.gguf["context_length"])
        for name, function in (("cos_cache", math.cos), ("sin_cache", math.sin)):
            values = [function(row * base ** (-i / self.half)) for row in rows for i in range(self.half)]
            self.g.tensor(name, self.real, [len(rows), self.half], self.d.weights.reals(values))

    def number(self, name, value):
        return self.g.tensor(name, self.real, [], self.d.weights.reals([value]))

    def total(self):
        """Positions that there are keys for."""
        shape = self.g.node("Shape", ["attention_mask"], "mask.shape")
        return self.g.node("Gather", [shape, self.g.integers("one", 1, dims=[])], "mask.total", axis=0)

    def seen(self):
        """Where the key's position is at most the query's, as arithmetic."""
        g = self.g
        zero, one = g.integers("zero", 0, dims=[]), g.integers("one", 1, dims=[])
        keys = g.node("Range", [zero, self.total(), one], "mask.keys")
        queries = g.node("Unsqueeze", ["position_ids", g.integers("axis2", 2)], "mask.queries")
        seen = g.node("LessOrEqual", [keys, queries], "mask.seen")
        if self.o.window:
            first = g.node("Sub", [queries, g.integers("window", self.o.window)], "mask.before")
            seen = g.node("And", [seen, g.node("Greater", [keys, first], "mask.near")], "mask.window")
        return g.node("Unsqueeze", [seen, g.integers("axis1", 1)], "mask.seen4")

    def mask(self):
        """The same to be added to scores."""
        return self.g.node("Where", [self.seen(), self.number("visible", 0.0), self.number("hidden", -1e4)], "mask")

    # --- a layer

    def caches(self, layer):
        past, present = ([f"{when}.{layer}.{what}" for what in ("key", "value")] for when in ("past_key_values", "present"))
        for name in past:
            self.g.input(name, self.real, ["batch", self.kv_heads, "past", self.head])
        for name in present:
            self.g.output(name, self.real, ["batch", self.kv_heads, "total", self.head])
        return past, present

    def rotated(self, x, heads, name):
        turned = {"interleaved": int(self.o.interleaved), "num_heads": heads}
        if 2 * self.half != self.head:
            turned["rotary_embedding_dim"] = 2 * self.half
        return self.g.node("RotaryEmbedding", [x, "position_ids", "cos_cache", "sin_cache"], name, CONTRIB, **turned)

    def projected(self, layer, x, what, name):
        """A query, key or value; a query or key with its norm, if that is no part of the attention."""
        prefix, heads = f"blk.{layer}.attn_{what}", self.heads if what == "q" else self.kv_heads
        y = self.linear(x, [prefix + ".weight"], name)
        if what != "v" and self.o.head_norms == "below" and prefix + "_norm.weight" in self.d.gguf.tensors:
            y = self.g.node("Reshape", [y, self.g.integers("heads.below", 0, -1, self.head)], name + ".below")
            y = self.d.norm(y, prefix + "_norm")
            y = self.g.node("Reshape", [y, self.g.integers(f"heads.{heads}", 0, -1, heads * self.head)], name + ".beside")
        return self.rotated(y, heads, name + "_rotated") if what != "v" and self.outside else y

    def layer(self, layer, x):
        name = f"attn.{layer}"
        if self.o.packed:
            q, k, v = self.linear(x, [f"blk.{layer}.attn_{what}.weight" for what in "qkv"], name + ".qkv"), "", ""
        else:
            q, k, v = (self.projected(layer, x, what, f"{name}.{what}") for what in "qkv")
        past, present = self.caches(layer)
        self.attend(layer, name, q, k, v, past, [name, *present])
        return self.linear(name, [f"blk.{layer}.attn_output.weight"], name + ".o")


class Grouped(Attention):
    rotary = "inside"
    op, norms_at = "GroupQueryAttention", 14

    def prepare(self):
        super().prepare()
        g = self.g
        one = g.integers("one", 1, dims=[])
        tokens = g.node("ReduceSum", ["attention_mask", g.integers("axis1", 1)], "lengths.tokens", keepdims=0)
        last = g.node("Cast", [g.node("Sub", [tokens, one], "lengths.last64")], "lengths.last", to=INT32)
        total = g.node("Gather", [g.node("Shape", ["attention_mask"], "lengths.shape"), one], "lengths.total64", axis=0)
        self.lengths = [last, g.node("Cast", [total], "lengths.total", to=INT32)]

    def attend(self, layer, name, q, k, v, past, outputs):
        turned, tables = {}, ["", ""]
        if not self.outside:
            turned, tables = {"do_rotary": 1, "rotary_interleaved": int(self.o.interleaved)}, ["cos_cache", "sin_cache"]
        inputs = [q, k, v, *past, *self.lengths, *tables]
        norms = [f"blk.{layer}.attn_{what}_norm.weight" for what in "qk"]
        if norms[0] in self.d.gguf.tensors and self.o.head_norms == "inside":
            inputs += [""] * (self.norms_at - len(inputs)) + [self.plain(norm) for norm in norms]
            turned["qk_norm_epsilon"] = self.d.epsilon
        self.g.node(self.op, inputs, name, CONTRIB, outputs, num_heads=self.heads, kv_num_heads=self.kv_heads, **turned)


class Paged(Grouped):
    op, norms_at = "PagedAttention", 12

    def prepare(self):
        self.g.input("input_ids", INT64, ["num_tokens"])
        self.lengths = ["cumulative_sequence_lengths", "past_sequence_lengths", "block_table"]
        for name, dims in zip(self.lengths, (["batch_plus_1"], ["batch"], ["batch", "max_blocks"])):
            self.g.input(name, INT32, dims)
        self.tables()

    def logits_dims(self):
        return ["num_tokens"]

    def caches(self, layer):
        past, present = ([f"{when}.{layer}.{what}" for what in ("key", "value")] for when in ("past_key_values", "present"))
        for names, add in ((past, self.g.input), (present, self.g.output)):
            for name in names:
                add(name, self.real, ["num_blocks", 256, self.kv_heads, self.head])
        return past, present


class Projected(Attention):
    """onnxruntime's Attention: the projections inside, keys and values in one cache."""

    def prepare(self):
        super().prepare()
        self.g.node("Cast", ["attention_mask"], "mask32", to=INT32)

    def layer(self, layer, x):
        name, matrix = f"attn.{layer}", f"blk.{layer}.attn_qkv.weight"
        rows, columns = self.d.gguf.dims(matrix)
        weights = self.g.tensor(matrix, self.real, [columns, rows], self.d.weights.transposed([matrix], columns))
        past, present = f"past_key_values.{layer}", f"present.{layer}"
        self.g.input(past, self.real, [2, "batch", self.heads, "past", self.head])
        self.g.output(present, self.real, [2, "batch", self.heads, "total", self.head])
        self.g.node("Attention", [x, weights, self.plain(f"blk.{layer}.attn_qkv.bias"), "mask32", past], name, CONTRIB,
                    [name, present], num_heads=self.heads, unidirectional=1)
        return self.linear(name, [f"blk.{layer}.attn_output.weight"], name + ".o")


class MultiHead(Attention):
    """With GPT-2's biases inside of the attention."""

    def layer(self, layer, x):
        if not self.d.gpt2:
            return super().layer(layer, x)
        name, outputs = f"attn.{layer}", [f"attn.{layer}.{what}" for what in "qkv"]
        whole = self.linear(x, [f"blk.{layer}.attn_qkv.weight"], name + ".qkv", biased=False)
        self.g.node("Split", [whole], name + ".split", "", outputs, axis=-1, num_outputs=3)
        past, present = self.caches(layer)
        self.attend(layer, name, *outputs, past, [name, *present])
        return self.linear(name, [f"blk.{layer}.attn_output.weight"], name + ".o")

    def prepare(self):
        if self.heads != self.kv_heads:
            raise SystemExit("make_onnx_model.py: MultiHeadAttention takes as many key heads as query heads")
        super().prepare()
        self.mask_name = self.mask()

    def attend(self, layer, name, q, k, v, past, outputs):
        bias = self.plain(f"blk.{layer}.attn_qkv.bias") if self.d.gpt2 else ""
        self.g.node("MultiHeadAttention", [q, k, v, bias, "", self.mask_name, *past], name, CONTRIB, outputs, num_heads=self.heads)


class Standard(Attention):
    opset = 23

    def rotated(self, x, heads, name):
        turned = {"interleaved": int(self.o.interleaved), "num_heads": heads}
        if 2 * self.half != self.head:
            turned["rotary_embedding_dim"] = 2 * self.half
        return self.g.node("RotaryEmbedding", [x, "cos_cache", "sin_cache", "position_ids"], name, **turned)

    def attend(self, layer, name, q, k, v, past, outputs):
        self.g.node("Attention", [q, k, v, "", *past], name, "", outputs, q_num_heads=self.heads, kv_num_heads=self.kv_heads,
                    is_causal=1)
