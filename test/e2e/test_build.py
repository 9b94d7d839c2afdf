"""Properties of what was built: dependencies, size, and who includes whom."""

import re
import shutil
import unittest

from harness import BENCH, OPT, ROOT, RUN, WORK, succeed

GLIBC = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libpthread.so.0",
         "libdl.so.2", "librt.so.1"}
SOURCES = (".h", ".cpp", ".proto", ".inc", ".txt")


class Build(unittest.TestCase):
    def test_the_runtime_depends_on_glibc_alone(self):
        for program in (RUN, BENCH):
            with self.subTest(program.name):
                names = {line.split()[0].rpartition("/")[2] for line in succeed(["ldd", program]).out.splitlines()}
                self.assertLessEqual(names, GLIBC)

    def test_the_runtime_is_small(self):
        for program in (RUN, BENCH):
            with self.subTest(program.name):
                stripped = WORK / program.name
                succeed([shutil.which("strip") or shutil.which("llvm-strip-22") or "strip", "-o", stripped, program])
                self.assertLessEqual(stripped.stat().st_size, 8 << 20)

    def test_runtime_knows_no_compiler(self):
        # What tells and reads ONNX files and exports is shared; it is built without MLIR.
        readers = r"Import/(ExportFolder|ModelPath|ONNX/Reader)\.h"
        wrong = re.compile(rf'^\s*#\s*include\s*[<"]((mlir|llvm|llvm-c|clang|dialects)/|lib/(?!{readers}))', re.M)
        for folder in ("runtime", "tools/common", "tools/lamina-run", "tools/lamina-bench"):
            for path in (ROOT / folder).rglob("*"):
                if path.suffix in SOURCES:
                    with self.subTest(str(path.relative_to(ROOT))):
                        self.assertIsNone(wrong.search(path.read_text()))

    def test_versions_agree(self):
        self.assertEqual(len({succeed([p, "--version"]).out.split()[-1] for p in (RUN, OPT, BENCH)}), 1)

    def test_help(self):
        for program in (RUN, OPT, BENCH):
            with self.subTest(program.name):
                self.assertIn("phases" if program == OPT else "Exit status", succeed([program, "--help"]).out)
