"""What is measured: models and their sizes, where their workers are, and what results have to be near to."""

import array
import json
import struct

LAYERS = "--layers 4 --width 4096 --ffn 14336 --heads 32 --kv-heads 8 --vocab 4096"
SMALL = "--layers 2 --width 256 --ffn 512 --heads 8 --kv-heads 2 --vocab 512"
SIZES = {
    # `batch` and `long`: sequences and tokens in the cache of each; `depths` likewise of one sequence of the whole model.
    # `tokens` go through all products of a step together; `products` and `torch` say the sizes of `streamed` and `whole` to
    # bench_torch.py.
    "full": {"whole": "--shape 8b", "streamed": LAYERS, "steps": [1, 64], "prompt": 512, "generate": 32,
             "attention": "--layers 4 --width 8192 --ffn 256 --heads 64 --kv-heads 8 --vocab 512",
             "batch": [64, 4096], "long": [1, 131072], "depths": [32768, 131072], "tokens": 512,
             "products": ["6144x4096", "4096x4096", "28672x4096", "4096x14336"], "torch": []},
    "tiny": {"whole": SMALL, "streamed": SMALL, "steps": [1, 4], "prompt": 16, "generate": 2,
             "attention": "--layers 2 --width 256 --ffn 256 --heads 8 --kv-heads 1 --vocab 512",
             "batch": [4, 48], "long": [1, 96], "depths": [528, 1040], "tokens": 32,
             "products": ["384x256", "256x256", "1024x256", "256x512"], "torch": SMALL.split()},
}
STREAMED = ("bf16", "q4_0", "q4_k")
TOKENS = (1, 4, 16)      # of a step that streams weights
PLACEMENTS = {"one GPU": ["compute=cuda"], "compute GPU, memory CPU": ["compute=cuda", "memory=cpu"],
              "both on GPUs": ["compute=cuda", "memory=cuda"], "compute CPU, memory GPU": ["compute=cpu", "memory=cuda"]}


def room(context, tokens, sequences):
    """Flags for contexts of that length, so many tokens of all sequences together, and so many sequences."""
    slots = max(sequences, 16)
    return [f"--max-context={context}", f"--kv-tokens={-(-tokens // 16) * 16}", f"--max-sequences={slots}",
            f"--max-output-rows={slots}"]


def place(targets, cuda):
    flags = [f"--target={t}" + (cuda if t.endswith("cuda") else "") for t in targets]
    return flags + (["--placement=monolithic"] if len(targets) == 1 else [])


def artifacts(size):
    """Name -> flags of make_random_model.py, placement, further flags of lamina-opt."""
    longest, most = max(size["depths"]) + size["generate"], size["steps"][-1]
    together = max(longest, most * (size["prompt"] + size["generate"] + 16))
    whole = (f"{size['whole']} --type bf16", room(longest, together, most))
    (sequences, tokens), (_, long) = size["batch"], size["long"]
    near = size["depths"][0] + size["generate"] + 16
    out = {"attention": (f"{size['attention']} --type bf16", PLACEMENTS["both on GPUs"],
                         room(long, max(sequences * (tokens + 16), long), sequences))}
    for kind in STREAMED:
        out[f"streamed-{kind}"] = (f"{size['streamed']} --type {kind}", PLACEMENTS["one GPU"],
                                   room(64, 16 * size["tokens"], size["tokens"]))
    return {**out, "overlap": (f"{size['streamed']} --type bf16", PLACEMENTS["compute GPU, memory CPU"], room(near, near, 1)),
            "whole-gpu": (whole[0], PLACEMENTS["one GPU"], whole[1]),
            "whole-split": (whole[0], PLACEMENTS["compute GPU, memory CPU"], whole[1]),
            "whole-both": (whole[0], PLACEMENTS["both on GPUs"], whole[1])}


def placements_of(reference):
    """Where it is compared: the demo model everywhere, golden ones where there are two workers."""
    return [p for p in PLACEMENTS if reference == "demo" or len(PLACEMENTS[p]) == 2]


def compared(reference, placement):
    """The name of its artifact."""
    return f"{reference}-{list(PLACEMENTS).index(placement)}"


def references(root, golden):
    """Name -> model, flags, and for `run` a prompt, its last logits in float64, and how near to these they must be."""
    case = min(json.loads((root / "test/data/demo.json").read_text()), key=lambda c: len(c["prompt_ids"]))
    out = {"demo": (root / "test/data/demo.gguf", [],
                    {"prompt_ids": case["prompt_ids"], "logits": case["last_logits"], "limit": 2e-2})}
    for name, model in json.loads((golden / "golden.json").read_text())["models"].items() if golden else ():
        npy = (golden / model["logits_file"]).read_bytes()
        header, = struct.unpack_from("<H", npy, 8)
        logits = array.array("f", npy[10 + header:]).tolist()
        out[name] = (golden / model["file"], ["--activations=f32", "--kv-type=f32"],
                     {"prompt_ids": model["prompt_ids"], "logits": logits, "limit": 2e-4})
    return out
