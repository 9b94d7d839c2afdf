"""Where lamina is built: artifacts and programs in a folder that is carried to the machine with the GPU."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import sys

from bench_gpu.models import PLACEMENTS, SIZES, artifacts, compared, place, placements_of, references
from bench_gpu.process import checked
from bench_gpu.weights import leave_weights_out

# What libraries that this machine's do not name may ask for: a driver, of an older C library.
STUBS = ("libdl.so.2", "libpthread.so.0", "librt.so.1")


def pack_programs(build, folder):
    """The programs, all libraries that they name, and the loader: nothing of the other machine's but its driver."""
    for name in ("lamina-run", "lamina-bench"):
        shutil.copy(build / "bin" / name, folder / "bin" / name)
        for library in map(pathlib.Path, re.findall(r"(/\S+) \(0x", checked(["ldd", build / "bin" / name]))):
            stubs = [library.with_name(stub) for stub in STUBS] if library.name == "libc.so.6" else []
            for file in (library, *filter(pathlib.Path.exists, stubs)):
                shutil.copy(file, folder / "lib" / file.name)


def prepare(args):
    here = pathlib.Path(__file__).resolve().parent
    root, folder, size, lengths = here.parents[2], args.folder.resolve(), SIZES[args.size], {}
    if folder.exists():
        raise SystemExit(f"bench-gpu: {folder} exists; remove it or name another folder")
    for part in ("bin", "lib", "artifacts"):
        (folder / part).mkdir(parents=True)
    pack_programs(args.build, folder)
    shutil.copy(here.with_name("bench-gpu"), folder / "bench-gpu")
    shutil.copytree(here, folder / here.name, ignore=shutil.ignore_patterns("__pycache__"))

    def compiled(model, name, targets, flags, cpu_targets):
        out = folder / "artifacts" / f"{name}.lamina"
        checked([args.build / "bin/lamina-opt", model, "-o", out, "--quiet", f"--cpu-targets={cpu_targets}",
                 *place(targets, args.cuda), *flags])
        print(f"{name} is prepared", file=sys.stderr)
        return out

    for name, (shape, targets, flags) in artifacts(size).items():
        model = folder / "model.gguf"
        checked([sys.executable, root / "tools/dev/make_random_model.py", model, "--header-only", "--context", 1 << 20,
                 *shape.split()])
        lengths.update(leave_weights_out(compiled(model, name, targets, flags, args.cpu_targets)))
        model.unlink()
    expected = references(root, args.golden)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # of which one target for CPUs is enough
        for job in [pool.submit(compiled, model, compared(name, placement), PLACEMENTS[placement], flags,
                                args.cpu_targets.split(",")[0])
                    for name, (model, flags, _) in expected.items() for placement in placements_of(name)]:
            job.result()
    (folder / "prepared.json").write_text(json.dumps({"size": args.size, "weights": lengths, "references": {
        name: reference for name, (_, _, reference) in expected.items()}}) + "\n")
    if args.archive:
        archive = pathlib.Path(shutil.make_archive(str(folder), "xztar", folder.parent, folder.name))
        print(f"{archive} has {archive.stat().st_size / 2**20:.1f} MiB", file=sys.stderr)
