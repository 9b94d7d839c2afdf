#!/usr/bin/env python3
"""A slow, obviously right llama in float64: what lamina's numbers are compared with.

    reference.py MODEL.gguf --prompt-tokens 1,2,3 [-n 32] [--out FILE.json]

No cache, no batching: the whole sequence is computed anew for every token, so nothing can hide a caching mistake.
Covers architecture `llama` without experts and RoPE scaling, which is what the demo model and make_random_model.py need.
Needs numpy and the `gguf` package (which has its own decoder of the block formats).
"""

import argparse
import json

import gguf
import numpy as np


def load(path):
    """-> (metadata, tensors as float64 [rows, columns])"""
    reader = gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float64) for t in reader.tensors}
    return keys, weights


def rms_norm(x, g, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * g


def rope(x, base):
    """x: [tokens, heads, head_dim]; turns the pairs (2i, 2i+1) of the token at position p by p * base^(-2i/head_dim)"""
    tokens, _, dim = x.shape
    angle = np.outer(np.arange(tokens), base ** (-np.arange(0, dim, 2) / dim))[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = even * np.cos(angle) - odd * np.sin(angle)
    out[..., 1::2] = even * np.sin(angle) + odd * np.cos(angle)
    return out


def attention(q, k, v):
    """q: [tokens, heads, dim], k and v: [tokens, kv_heads, dim] -> [tokens, heads * dim]"""
    tokens, heads, dim = q.shape
    group = heads // k.shape[1]
    visible = np.tril(np.ones((tokens, tokens), bool))
    out = np.empty((tokens, heads, v.shape[2]))
    for h in range(heads):
        score = np.where(visible, q[:, h] @ k[:, h // group].T / np.sqrt(dim), -np.inf)
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        out[:, h] = weight / weight.sum(axis=1, keepdims=True) @ v[:, h // group]
    return out.reshape(tokens, -1)


class Reference:
    def __init__(self, path):
        self.keys, self.weights = load(path)
        if self.keys["general.architecture"] != "llama":
            raise SystemExit(f"reference: expected architecture llama, got {self.keys['general.architecture']}")
        self.layers = self.keys["llama.block_count"]
        self.heads, self.kv_heads = (self.keys[f"llama.attention.head_count{s}"] for s in ("", "_kv"))
        self.base = self.keys.get("llama.rope.freq_base", 10000.0)
        self.epsilon = self.keys["llama.attention.layer_norm_rms_epsilon"]

    def layer(self, x, i):
        def weight(name):
            return self.weights[f"blk.{i}.{name}.weight"]

        def heads(y, count):
            return y.reshape(len(y), count, -1)

        y = rms_norm(x, weight("attn_norm"), self.epsilon)
        q = rope(heads(y @ weight("attn_q").T, self.heads), self.base)
        k = rope(heads(y @ weight("attn_k").T, self.kv_heads), self.base)
        v = heads(y @ weight("attn_v").T, self.kv_heads)
        x = x + attention(q, k, v) @ weight("attn_output").T
        y = rms_norm(x, weight("ffn_norm"), self.epsilon)
        gate = y @ weight("ffn_gate").T
        return x + (gate / (1 + np.exp(-gate)) * (y @ weight("ffn_up").T)) @ weight("ffn_down").T

    def logits(self, ids):
        """-> [len(ids), vocabulary]"""
        x = self.weights["token_embd.weight"][np.asarray(ids)]
        for i in range(self.layers):
            x = self.layer(x, i)
        head = self.weights.get("output.weight", self.weights["token_embd.weight"])
        return rms_norm(x, self.weights["output_norm.weight"], self.epsilon) @ head.T

    def greedy(self, prompt, count):
        """-> (ids, by how much each led the second best)"""
        ids, margins = list(prompt), []
        for _ in range(count):
            last = self.logits(ids)[-1]
            second, first = np.sort(last)[-2:]
            margins.append(float(first - second))
            ids.append(int(last.argmax()))
        return ids[len(prompt):], margins


def mean_nll(logits, ids):
    """Mean over i of -log softmax(logits[i])[ids[i + 1]]."""
    top = logits[:-1].max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits[:-1] - top).sum(axis=1)) + top[:, 0]
    return float((log_sum - logits[np.arange(len(ids) - 1), ids[1:]]).mean())


def record(model, prompt, count):
    logits = model.logits(prompt)
    ids, margins = model.greedy(prompt, count)
    return {"prompt_ids": prompt, "last_logits": [round(float(x), 6) for x in logits[-1]],
            "mean_nll": round(mean_nll(logits, prompt), 7) if len(prompt) > 1 else None,
            "greedy_ids": ids, "greedy_margins": [round(m, 4) for m in margins]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompt-tokens", required=True, action="append", help="may be given several times")
    parser.add_argument("-n", type=int, default=32)
    parser.add_argument("--out", default="/dev/stdout")
    args = parser.parse_args()
    model = Reference(args.model)
    records = [record(model, [int(i) for i in ids.split(",")], args.n) for ids in args.prompt_tokens]
    with open(args.out, "w") as out:
        out.write("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")


if __name__ == "__main__":
    main()
