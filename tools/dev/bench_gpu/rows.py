"""The rows of the table, in groups.  A row is what, figure, share of its bound, goal; what fails has a row that says why."""

import concurrent.futures
import json
import os
import shutil
import time

from bench_gpu.models import PLACEMENTS, STREAMED, TOKENS, compared, placements_of
from bench_gpu.process import Failed, Skipped, reason
from bench_gpu.trace import overlap_of


def alone(what, rows):
    """The rows, and where they end with an error one that says so."""
    try:
        yield from rows
    except Exception as error:  # whatever it is, the other rows are wanted
        yield what, reason(error), "", ""


def percent(share):
    return f"{share * 100:.3g} %" if share else "-"


def share(rate, bound):
    return percent(rate / bound if bound else 0)


def gigabytes(rate):
    return f"{rate / 1e9:.4g} GB/s"


def teraflops(rate):
    return f"{rate / 1e12:.4g} TFLOP/s"


def counted(count, noun):
    return f"{count} {noun}{'s' * (count > 1)}"


def of_peak(machine, rate):
    return share(rate, machine.gpu.get("multiply-adds of bf16, in f32", 0) * 1e12)


def gpu(machine):
    """lamina-bench --cuda: its figures are what shares refer to."""
    name, _, *rows = machine.program("lamina-bench", "--cuda", limit=90).splitlines()
    yield name.split("|")[1].strip(), "", "", ""
    for what, figure in (map(str.strip, row.split("|")[1:3]) for row in rows):
        if figure[:1].isdigit():
            machine.gpu[what] = float(figure.split()[0])
        yield what, figure, "", ""
    machine.read = 1e9 * max(machine.gpu.get("read its memory", 0), machine.gpu.get("copy in its memory, reads and writes", 0))


def correct(machine):
    """The model whose logits are farthest from the reference, of all with one limit.  Models are small: several at once."""
    references = machine.references
    limits = sorted({r["limit"] for r in references.values()}, reverse=True)
    with concurrent.futures.ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
        jobs = {(limit, placement): {name: pool.submit(machine.error, compared(name, placement), reference)
                                     for name, reference in references.items()
                                     if reference["limit"] == limit and placement in placements_of(name)}
                for limit in limits for placement in PLACEMENTS}
        for (limit, placement), of in jobs.items():
            if of:
                models = next(iter(of)) if len(of) == 1 else f"{len(of)} models"
                yield f"{models} against float64, {placement}", farthest(of, limit), "", f"< {limit:g}"


def farthest(jobs, limit):
    errors, reasons = [], {}
    for name, job in jobs.items():
        try:
            errors.append((job.result(), name))
        except Exception as error:
            reasons.setdefault(reason(error), []).append(name)
    if reasons:
        return "; ".join(f"{why} ({names[0] if len(names) == 1 else f'{len(names)} of {len(jobs)} models, {names[0]} first'})"
                         for why, names in reasons.items())
    error, name = max(errors)
    return f"{error:.1e} relative L2 ({name})" + (" is too far" if error >= limit else "")


def attention(machine):
    def measured(sequences, tokens, goal):
        kernels = [k for k in machine.bench("attention", "--kernels", "--npl", sequences, "--npp", tokens - 1)
                   if "attention" in k["kernel"] and k["gpu"]]
        rate = sum(k["bytes_read"] for k in kernels) / sum(k["seconds"] for k in kernels)
        yield f"decode attention, {sequences} x {tokens} tokens", gigabytes(rate), share(rate, machine.read), goal

    for (sequences, tokens), goal in ((machine.size["batch"], "90 %"), (machine.size["long"], "85 %")):
        yield from alone(f"decode attention, {sequences} x {tokens} tokens", measured(sequences, tokens, goal))


def products_of_layers(kernels):
    return [k for k in kernels if k["launches"] > 1 and "linear" in k["kernel"]]


def streaming(machine):
    def measured(kind):
        kernels = list(machine.bench(f"streamed-{kind}", "--kernels", "--npl", ",".join(map(str, TOKENS)), "--npp", 15))
        for tokens in TOKENS:
            layers = products_of_layers(k for k in kernels if k["pl"] == tokens)
            rate = sum(k["bytes_read"] for k in layers) / sum(k["seconds"] for k in layers)
            yield (f"weights {kind.upper()}, {counted(tokens, 'token')}", gigabytes(rate), share(rate, machine.read),
                   "85 %" if kind == "bf16" else "75 %")

    for kind in STREAMED:
        yield from alone(f"weights {kind.upper()}", measured(kind))


def products(machine):
    """Of many tokens; a token is multiplied with each weight.  PyTorch does the same products."""
    tokens, rates = machine.size["tokens"], {}

    def measured(kind):
        layers = products_of_layers(machine.bench(f"streamed-{kind}", "--kernels", "--npl", tokens, "--npp", 15))
        rates[kind] = 2 * weights_of_layers(machine) * tokens / sum(k["seconds"] for k in layers)
        yield f"products {kind.upper()}, {tokens} tokens", teraflops(rates[kind]), of_peak(machine, rates[kind]), ""

    def cublas():
        row, = machine.torch("products", tokens, *machine.size["products"], limit=60)
        yield f"  by cuBLASLt in PyTorch {row['torch']}", teraflops(row["flops"]), of_peak(machine, row["flops"]), ""
        yield "  BF16 against it", f"{rates['bf16'] / row['flops']:.2f} times", "", "> 0.9 times"

    for kind in STREAMED:
        yield from alone(f"products {kind.upper()}", measured(kind))
    yield from alone("  by cuBLASLt", cublas())


def weights_of_layers(machine):
    """How many the products of `streamed` have."""
    layers = int(machine.size["streamed"].split()[1])
    return layers * sum(int(rows) * int(columns) for rows, columns in (p.split("x") for p in machine.size["products"]))


def steps(machine):
    size = machine.size
    for test in machine.bench("whole-gpu", "--npl", ",".join(map(str, size["steps"])), "--npp", size["prompt"], "--ntg",
                              size["generate"], "--no-fill"):
        step = machine.step_seconds[test["pl"]] = test["t_tg"] / test["tg"]
        read = test["workers"][0]["bytes_read_per_step"]
        yield (f"step of the whole model, {counted(test['pl'], 'sequence')}", f"{step * 1e3:.3f} ms",
               share(read / step, machine.read), "80 %")
        yield from alone("  its kernels", gaps(machine, test["pl"], step))


def gaps(machine, sequences, step):
    own = [k for k in machine.whole_kernels if k["pl"] == sequences]
    seconds, launches = sum(k["seconds"] for k in own), sum(k["launches"] for k in own)
    yield f"  its {launches} kernels, each by itself", f"{seconds * 1e3:.3f} ms", percent(seconds / step), ""
    for what in ("an empty kernel, replayed", "an empty kernel that waits, replayed"):
        if what in machine.gpu:
            empty = launches * machine.gpu[what] * 1e-6
            yield f"  as many times {what}", f"{empty * 1e3:.3f} ms", percent(empty / step), "< 5 %"


def prompt(machine):
    size = machine.size
    test, = machine.bench("whole-gpu", "-p", size["prompt"], "-n", 0, "-r", 2)
    # A token is multiplied with each weight of the layers, of two bytes.
    layers = products_of_layers(k for k in machine.whole_kernels if k["pl"] == size["steps"][0])
    rate = test["avg_ts"] * sum(k["bytes_read"] for k in layers)
    yield f"prompt of {size['prompt']} tokens", f"{test['avg_ts']:.4g} tokens/s, {teraflops(rate)}", of_peak(machine, rate), ""


def placements(machine):
    """Contexts of one sequence, with the cache in three places."""
    size = machine.size
    flags = ["--npl", 1, "--npp", ",".join(map(str, size["depths"])), "--ntg", size["generate"], "--no-fill"]
    steps_of_gpu = {}

    def measured(what, name):
        for depth, test in zip(size["depths"], machine.bench(name, *flags)):
            step = test["t_tg"] / test["tg"]
            alone_on_gpu = steps_of_gpu.setdefault(depth, step) if name == "whole-gpu" else steps_of_gpu.get(depth)
            times = f", {step / alone_on_gpu:.2f} times" if alone_on_gpu and name != "whole-gpu" else ""
            floors = explained(test, step) if name == "whole-split" else ""
            yield f"{what}, {depth} tokens", f"{step * 1e3:.3f} ms a step{times}", floors, ""
            if name == "whole-split":
                memory = worker(test, "memory")
                yield ("  its attention on the CPU", f"{gigabytes(memory['bandwidth'])} of {gigabytes(bandwidth(memory))}",
                       percent(memory["bandwidth_share"]), "70 %")

    def worker(test, kind):
        return next(w for w in test["workers"] if w["class"] == kind)

    def bandwidth(worker):
        return worker["bandwidth"] / worker["bandwidth_share"]

    def explained(test, step):
        """What both workers need for their bytes, one after the other, of the step."""
        if not machine.read:
            return "-"
        memory = worker(test, "memory")
        floor = worker(test, "compute")["bytes_read_per_step"] / machine.read
        floor += memory["bytes_read_per_step"] / bandwidth(memory)
        return f"{percent(floor / step)} floors"

    for what, name in (("KV on the GPU", "whole-gpu"), ("  as two workers on it", "whole-both"),
                       ("KV in host memory", "whole-split")):
        yield from alone(what, measured(what, name))


def overlap(machine):
    """From a trace: whether the memory worker attends to what is cached while the GPU makes keys and values."""
    depth, file = machine.size["depths"][0], machine.folder / "trace.json"
    list(machine.bench("overlap", "--npl", 1, "--npp", depth, "--ntg", 4, "--no-fill", "--trace", file))
    making, hidden, attending, layers = overlap_of(json.loads(file.read_text())["traceEvents"])
    yield (f"q first, {depth} tokens: k and v under attention", f"{hidden * 1e6:.1f} us of {making * 1e6:.1f} us a layer",
           f"{100 * hidden / making:.3g} %", "")
    yield "  attention meanwhile and after", f"{attending * 1e6:.1f} us a layer, {layers} layers of trace.json", "", ""


def pytorch(machine):
    size = machine.size
    for row in machine.torch("steps", *size["steps"], "--context", size["prompt"], *size["torch"], limit=180):
        sequences, step = row["sequences"], row["seconds"]
        own = machine.step_seconds.get(sequences)
        ours = f", {step / own:.2f} times ours" if own else ""
        what = f"step by PyTorch {row['torch']}, {counted(sequences, 'sequence')}"
        yield what, f"{step * 1e3:.3f} ms{ours}", "", "> 1 times"


def sanitizer(machine):
    """A token of each model behind its prompt, with both workers in one process on GPUs."""
    tool = shutil.which("compute-sanitizer", path=f"{os.environ['PATH']}:/usr/local/cuda/bin")
    if not tool:
        raise Skipped("no compute-sanitizer is on the PATH")
    clean, tried, reasons = 0, 0, {}
    for name, reference in machine.references.items():
        if tried and machine.deadline - time.monotonic() < 10:
            break
        tried += 1
        try:
            machine.generate(compared(name, "both on GPUs"), reference, "--inproc", under=[tool, "--error-exitcode", 9])
            clean += 1
        except Failed as error:
            reasons.setdefault(reason(error), []).append(name)
    for why, names in reasons.items():
        yield f"compute-sanitizer, {', '.join(names[:3])}{' …' * (len(names) > 3)}", why, "", "clean"
    yield f"compute-sanitizer, {len(machine.references)} models", f"{clean} of {tried} clean", "", "all"


# In this order, with how long each may take in proportion to the others, and the artifacts whose weights it needs.
WHOLE = ["whole-gpu"]
STREAMS = [f"streamed-{kind}" for kind in STREAMED]
GROUPS = {gpu: (45, []), correct: (75, []), attention: (60, ["attention"]), streaming: (45, STREAMS),
          products: (45, STREAMS), steps: (60, WHOLE), prompt: (30, WHOLE),
          placements: (120, [*WHOLE, "whole-both", "whole-split"]), overlap: (30, ["overlap"]), pytorch: (120, []),
          sanitizer: (120, [])}
