#!/usr/bin/env python3
"""Write a tiny GGUF model of any supported architecture, for tests: no dependencies, the same arguments give the same bytes.

    make_tiny_gguf.py OUT.gguf --arch gemma3 --layers 6
    make_tiny_gguf.py OUT.gguf --arch llama --experts --set rope.freq_base=5e5
    make_tiny_gguf.py OUT.gguf --arch qwen2 --drop blk.0.attn_k.bias              (to be refused)
    make_tiny_gguf.py OUT.gguf --arch llama --tensor blk.0.attn_q.scale=1         (to be refused)

Width 32, two query heads of 16 over one key head, feed-forward 64, vocabulary 40, context 128; F32 weights.
--set takes KEY=VALUE without the architecture's prefix, VALUE an integer, a float, true, false or text; KEY= alone removes
the key.  --tensor takes NAME=DIMS, row length first, as in 32x40.
"""

import argparse
import random
import struct

WIDTH, HEADS, HEAD, FFN, VOCAB, EXPERTS = 32, 2, 16, 64, 40, 4
U32, F32, BOOL, STRING = 4, 6, 7, 8
LAYER_NORM = ("gpt2", "starcoder2", "phi2")  # norms with mean and bias, a feed-forward without a gate


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def parse(value):
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(value, value)


def pair(key, value):
    if isinstance(value, bool):
        return text(key) + struct.pack("<iB", BOOL, value)
    if isinstance(value, int):
        return text(key) + struct.pack("<iI", U32, value)
    if isinstance(value, float):
        return text(key) + struct.pack("<if", F32, value)
    return text(key) + struct.pack("<i", STRING) + text(value)


def keys(arch, layers, experts):
    result = {
        "block_count": layers, "context_length": 128, "embedding_length": WIDTH, "feed_forward_length": FFN,
        "attention.head_count": HEADS, "attention.head_count_kv": 1,
        "attention.layer_norm_epsilon" if arch in LAYER_NORM else "attention.layer_norm_rms_epsilon": 1e-5,
    }
    if arch.startswith("gemma"):
        result["attention.sliding_window"] = 16
    if experts:
        result |= {"expert_count": EXPERTS, "expert_used_count": 2}
    return result


def layer_tensors(arch, experts):
    """Names and dimensions, row length first."""
    yield "attn_norm.weight", (WIDTH,)
    if arch in ("phi3", "gpt2"):
        yield "attn_qkv.weight", (WIDTH, (HEADS + 2) * HEAD)
    else:
        yield "attn_q.weight", (WIDTH, HEADS * HEAD)
        yield "attn_k.weight", (WIDTH, HEAD)
        yield "attn_v.weight", (WIDTH, HEAD)
    if arch == "qwen2":
        yield "attn_q.bias", (HEADS * HEAD,)
        yield "attn_k.bias", (HEAD,)
        yield "attn_v.bias", (HEAD,)
    if arch.startswith("qwen3") or arch == "gemma3":
        yield "attn_q_norm.weight", (HEAD,)
        yield "attn_k_norm.weight", (HEAD,)
    yield "attn_output.weight", (HEADS * HEAD, WIDTH)
    if arch != "phi2":
        yield "ffn_norm.weight", (WIDTH,)
    if arch in LAYER_NORM:
        yield "attn_norm.bias", (WIDTH,)
        if arch != "phi2":
            yield "ffn_norm.bias", (WIDTH,)
        yield "attn_output.bias", (WIDTH,)
        yield "ffn_up.bias", (FFN,)
        yield "ffn_down.bias", (WIDTH,)
    if arch == "gpt2":
        yield "attn_qkv.bias", ((HEADS + 2) * HEAD,)
    if arch.startswith("gemma"):
        yield "post_attention_norm.weight", (WIDTH,)
        yield "post_ffw_norm.weight", (WIDTH,)
    if experts:
        yield "ffn_gate_inp.weight", (WIDTH, EXPERTS)
        yield "ffn_gate_exps.weight", (WIDTH, FFN, EXPERTS)
        yield "ffn_up_exps.weight", (WIDTH, FFN, EXPERTS)
        yield "ffn_down_exps.weight", (FFN, WIDTH, EXPERTS)
    else:
        if arch != "phi3" and arch not in LAYER_NORM:
            yield "ffn_gate.weight", (WIDTH, FFN)
        yield "ffn_up.weight", (WIDTH, 2 * FFN if arch == "phi3" else FFN)
        yield "ffn_down.weight", (FFN, WIDTH)


def tensors(arch, layers, experts):
    result = {"token_embd.weight": (WIDTH, VOCAB)}
    for layer in range(layers):
        result |= {f"blk.{layer}.{name}": dims for name, dims in layer_tensors(arch, experts)}
    result["output_norm.weight"] = (WIDTH,)
    if arch in LAYER_NORM:
        result["output_norm.bias"] = (WIDTH,)
    if arch == "gpt2":
        result["position_embd.weight"] = (WIDTH, 128)
    if arch == "phi2":
        result |= {"output.weight": (WIDTH, VOCAB), "output.bias": (VOCAB,)}
    return result


def values(name, dims, generator):
    count = 1
    for dim in dims:
        count *= dim
    mean, deviation = (1.0, 0.2) if "norm.weight" in name else (0.0, dims[0] ** -0.5)
    return struct.pack(f"<{count}f", *(generator.gauss(mean, deviation) for _ in range(count)))


def write(path, pairs, all_tensors):
    """All tensors are F32: dimensions, row length first, and their bytes."""
    infos, data = b"", b""
    for name, (dims, elements) in all_tensors.items():
        infos += text(name) + struct.pack(f"<I{len(dims)}qiQ", len(dims), *dims, 0, len(data))
        data += elements + bytes(-len(elements) % 32)
    head = b"GGUF" + struct.pack("<Iqq", 3, len(all_tensors), len(pairs))
    head += b"".join(pair(key, value) for key, value in pairs.items()) + infos
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % 32) + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--arch", default="llama")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--experts", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--drop", action="append", default=[], metavar="NAME")
    parser.add_argument("--tensor", action="append", default=[], metavar="NAME=DIMS")
    options = parser.parse_args()

    experts = options.experts or options.arch == "qwen3moe"
    hyper = keys(options.arch, options.layers, experts)
    for item in options.set:
        key, _, value = item.partition("=")
        hyper[key] = parse(value)
        if value == "":
            del hyper[key]
    pairs = {"general.architecture": options.arch, "general.name": "tiny"}
    pairs |= {f"{options.arch}.{key}": value for key, value in hyper.items()}

    all_tensors = tensors(options.arch, options.layers, experts)
    for item in options.tensor:
        name, _, dims = item.partition("=")
        all_tensors[name] = tuple(int(dim) for dim in dims.split("x"))
    for name in options.drop:
        del all_tensors[name]
    generator = random.Random(options.seed)
    write(options.out, pairs, {name: (dims, values(name, dims, generator)) for name, dims in all_tensors.items()})


if __name__ == "__main__":
    main()
