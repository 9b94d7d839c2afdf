#!/usr/bin/env python3
"""What PyTorch takes for what bench-gpu measures, as lines of JSON.

    bench_torch.py products TOKENS ROWSxCOLUMNS …   bf16 products with matrices, one behind the other, by cuBLASLt
    bench_torch.py steps SEQUENCES CONTEXT …        decode steps of a llama of these sizes, in bf16

A step is what a user of PyTorch would time: layers compiled by torch.compile, all of them captured in one CUDA graph and
replayed, keys and values in tensors of their full length, ending with the most probable token of each sequence.  Without a
GPU (--device cpu) there is no graph: for trying the script out.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F


def seconds(run, device, least=0.3):
    """Of one call, of as many as take a while, behind some that do not count."""
    def timed(count):
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(count):
            run()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    once = timed(3) / 3
    count = max(3, int(least / max(once, 1e-6)))
    return timed(count) / count


def captured(run, device):
    """A call that replays what `run` launches."""
    run()
    if device != "cuda":
        return run
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def random(device, *shape):
    return torch.randn(*shape, device=device, dtype=torch.bfloat16).mul_(0.02)


def rms_norm(x, weight):
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * weight


def rotated(x, cosines, sines):
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cosines - b * sines, b * cosines + a * sines), -1).to(x.dtype)


def layer(x, weights, keys, values, position, cosines, sines):
    norm, qkv, out, ffn_norm, gate_up, down = weights
    sequences, kv_heads, _, length = keys.shape
    width = kv_heads * length
    y = F.linear(rms_norm(x, norm), qkv)
    query, key, value = y.split((y.shape[-1] - 2 * width, width, width), -1)
    query = rotated(query.reshape(sequences, -1, length), cosines, sines)
    keys[:, :, position] = rotated(key.reshape(sequences, kv_heads, length), cosines, sines).unsqueeze(2)
    values[:, :, position] = value.reshape(sequences, kv_heads, 1, length)
    y = F.scaled_dot_product_attention(query.unsqueeze(2), keys, values, enable_gqa=True)
    x = x + F.linear(y.reshape(sequences, -1), out)
    gate, up = F.linear(rms_norm(x, ffn_norm), gate_up).chunk(2, -1)
    return x + F.linear(F.silu(gate) * up, down)


class Model:
    def __init__(self, args):
        width, ffn, length = args.width, args.ffn, args.width // args.heads
        self.args, self.length = args, length
        make = lambda *shape: random(args.device, *shape)
        self.layers = [(make(width), make((args.heads + 2 * args.kv_heads) * length, width), make(width, args.heads * length),
                        make(width), make(2 * ffn, width), make(width, ffn)) for _ in range(args.layers)]
        self.embedding, self.norm, self.head = make(args.vocab, width), make(width), make(args.vocab, width)
        self.layer = torch.compile(layer, dynamic=False)

    def step_seconds(self, sequences, context):
        args, device = self.args, self.args.device
        caches = [[random(device, sequences, args.kv_heads, context + 1, self.length) for _ in range(2)] for _ in self.layers]
        angles = context * 500000.0 ** (-torch.arange(0, self.length, 2, device=device) / self.length)
        cosines, sines = angles.cos(), angles.sin()
        ids = torch.zeros(sequences, dtype=torch.long, device=device)
        position = torch.tensor([context], device=device)

        def step():
            x = F.embedding(ids, self.embedding)
            for weights, (keys, values) in zip(self.layers, caches):
                x = self.layer(x, weights, keys, values, position, cosines, sines)
            ids.copy_(F.linear(rms_norm(x, self.norm), self.head).argmax(-1))

        return seconds(captured(step, device), device)


def products(args):
    if args.device == "cuda":
        torch.backends.cuda.preferred_blas_library("cublaslt")
    shapes = [tuple(map(int, shape.split("x"))) for shape in args.shapes]
    pairs = [(random(args.device, args.tokens, columns), random(args.device, rows, columns)) for rows, columns in shapes]
    taken = seconds(captured(lambda: [F.linear(x, matrix) for x, matrix in pairs], args.device), args.device)
    operations = 2 * args.tokens * sum(rows * columns for rows, columns in shapes)
    print(json.dumps({"torch": torch.__version__, "flops": operations / taken}), flush=True)


def steps(args):
    model = Model(args)
    for sequences in args.sequences:
        print(json.dumps({"torch": torch.__version__, "sequences": sequences,
                          "seconds": model.step_seconds(sequences, args.context)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("products")
    verb.add_argument("tokens", type=int)
    verb.add_argument("shapes", nargs="+")
    verb = verbs.add_parser("steps")
    verb.add_argument("sequences", type=int, nargs="+")
    for name, default in (("context", 512), ("layers", 32), ("width", 4096), ("ffn", 14336), ("heads", 32), ("kv-heads", 8),
                          ("vocab", 128256)):
        verb.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with torch.inference_mode():
        {"products": products, "steps": steps}[args.verb](args)


if __name__ == "__main__":
    main()
