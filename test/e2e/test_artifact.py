"""The artifact directory: same bytes for the same input, nothing executed that was touched, nothing half-written."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import unittest

from harness import DEMO, OPT, RUN, WORK, compiled, native_target, program, succeed

RUN_ARGS = ["--prompt-tokens", "1,300,301", "-n", "2"]


def files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


class Artifact(unittest.TestCase):
    def refused(self, folder, what):
        for args in (RUN_ARGS, ["--check"]):
            result = program([RUN, folder, *args])
            self.assertEqual(result.status, 1, f"{what}: {args}: {result.out}{result.err}")
            self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
            self.assertEqual(result.out.strip() if args == RUN_ARGS else "", "")

    def copy(self):
        folder = WORK / "copy.lamina"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(compiled(DEMO), folder)
        return folder

    def test_same_input_gives_the_same_bytes(self):
        one, two = compiled(DEMO), WORK / "again" / "other-name.lamina"
        two.parent.mkdir(exist_ok=True)
        succeed([OPT, DEMO, "-o", two, "--quiet", f"--cpu-targets={native_target()}", "--threads=1"])
        self.assertEqual(files(one), files(two))
        for file in files(one):
            self.assertEqual((one / file).read_bytes(), (two / file).read_bytes(), file)

    def test_check_and_describe(self):
        succeed([RUN, compiled(DEMO), "--check"])
        text = succeed([RUN, compiled(DEMO), "--describe"]).out
        for word in ("compute", "memory", "llama"):
            self.assertIn(word, text)
        self.assertIn("512 bytes of context per token", text)   # the residual stream: 128 elements of f32
        self.assertIn("6 compute and 5 memory fragments", text)

    def test_manifest_lists_every_file(self):
        manifest = json.loads((compiled(DEMO) / "manifest.json").read_text())
        text = json.dumps(manifest)
        for file in files(compiled(DEMO)):
            if file.name != "manifest.json":
                self.assertIn(str(file), text)

    def test_a_flipped_byte_is_refused(self):
        folder, rng = self.copy(), random.Random(1)
        for file in files(folder):
            path = folder / file
            original = path.read_bytes()
            offsets = {0, len(original) - 1, *(rng.randrange(len(original)) for _ in range(3))}
            for offset in sorted(offsets):
                with self.subTest(file=str(file), offset=offset):
                    broken = bytearray(original)
                    broken[offset] ^= 1 << rng.randrange(8)
                    path.write_bytes(broken)
                    self.refused(folder, f"{file} with byte {offset} flipped")
            path.write_bytes(original)
        succeed([RUN, folder, *RUN_ARGS])

    def test_missing_short_and_swapped_files_are_refused(self):
        for file in files(compiled(DEMO)):
            with self.subTest(file=str(file)):
                folder = self.copy()
                (folder / file).unlink()
                self.refused(folder, f"without {file}")
                folder = self.copy()
                os.truncate(folder / file, (folder / file).stat().st_size // 2)
                self.refused(folder, f"with half of {file}")

    def test_a_newer_format_is_refused_in_words(self):
        folder = self.copy()
        manifest = folder / "manifest.json"
        first, _, rest = manifest.read_text().partition("\n")
        self.assertIn('"format_version"', rest)
        manifest.write_text(first + "\n" + rest.replace('"format_version":', '"format_version": 9', 1))
        self.refused(folder, "newer format")

    def test_nothing_half_written_stays(self):
        """A disk of 256 KiB is too small for the demo's artifact."""
        mount = WORK / "small-disk"
        mount.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], capture_output=True)
        if made.returncode != 0:
            self.skipTest("skipped: cannot mount a small file system here")
        try:
            result = program([OPT, DEMO, "-o", mount / "demo.lamina", "--quiet"])
            self.assertEqual(result.status, 1, result.err)
            self.assertIn("space", result.err)
            self.assertEqual(list(mount.iterdir()), [])
        finally:
            subprocess.run(["umount", mount], check=True)

    def test_a_folder_that_is_no_artifact_is_kept(self):
        folder = WORK / "precious.lamina"
        folder.mkdir()
        (folder / "thesis.txt").write_text("years of work")
        result = program([OPT, DEMO, "-o", folder, "--quiet"])
        self.assertEqual(result.status, 1, result.err)
        self.assertEqual([p.name for p in folder.iterdir()], ["thesis.txt"])

    def test_full_disk_behind_the_output(self):
        if not pathlib.Path("/dev/full").exists():
            self.skipTest("skipped: no /dev/full")
        with open("/dev/full", "w") as full:
            result = program([RUN, compiled(DEMO), *RUN_ARGS], stdout=full)
        self.assertEqual(result.status, 1)
        result = program([RUN, compiled(DEMO), *RUN_ARGS, "--logits-out", "/dev/full"])
        self.assertEqual(result.status, 1)
        self.assertIn("/dev/full", result.err)
