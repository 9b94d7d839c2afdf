"""What must be refused: broken model files, wrong command lines, prompts that do not fit. One clear line, and no hang."""

import struct
import unittest

from harness import DEMO, OPT, RUN, WORK, compiled, data, program

MEBIBYTES = 256


class Refusal(unittest.TestCase):
    def refused(self, argv, status=1, names=()):
        result = program(argv, timeout=30)
        self.assertEqual(result.status, status, result.err[-500:])
        lines = result.err.strip().splitlines()
        self.assertTrue(lines, "says nothing")
        if status == 1:
            self.assertEqual(len(lines), 1, result.err[:1000])
        for name in names:
            self.assertIn(name, result.err)
        self.assertLess(result.peak_mib, MEBIBYTES)
        return lines[0]

    def refused_model(self, path, *names):
        return self.refused([OPT, path, "-o", WORK / "never.lamina", "--quiet"], names=names)

    def test_malformed_files(self):
        for path in sorted(data("malformed/gguf").iterdir()):
            with self.subTest(path.name):
                self.refused_model(path)
                self.assertFalse((WORK / "never.lamina").exists())

    def test_vocabulary_only_files_are_called_so(self):
        for path in sorted(data("vocab").glob("ggml-vocab-*.gguf")):
            with self.subTest(path.name):
                self.assertIn("vocabulary", self.refused_model(path))

    def test_prefixes_of_the_demo_model(self):
        whole, path = DEMO.read_bytes(), WORK / "prefix.gguf"
        for length in (0, 1, 4, 7, 8, 20, 24, 25, 100, 1000, 10000, 40000, len(whole) // 2, len(whole) - 32, len(whole) - 1):
            with self.subTest(length=length):
                path.write_bytes(whole[:length])
                self.refused_model(path, "prefix.gguf")

    def test_damaged_headers(self):
        whole, path = DEMO.read_bytes(), WORK / "damaged.gguf"
        arch = whole.index(b"llama.block_count")
        cases = {"magic": (0, b"GGUX"), "version 0": (4, struct.pack("<I", 0)), "version 9": (4, struct.pack("<I", 9)),
                 "byte order": (4, struct.pack(">I", 3)), "tensors -1": (8, struct.pack("<q", -1)),
                 "tensors 2^62": (8, struct.pack("<q", 1 << 62)), "keys -1": (16, struct.pack("<q", -1)),
                 "keys 2^40": (16, struct.pack("<q", 1 << 40)), "key length": (24, struct.pack("<Q", 1 << 60)),
                 "unknown key": (arch, b"llama.block_kount"),
                 "layers": (arch + 17 + 4, struct.pack("<I", 400_000_000))}
        for name, (offset, patch) in cases.items():
            with self.subTest(name):
                path.write_bytes(whole[:offset] + patch + whole[offset + len(patch):])
                self.refused_model(path, "damaged.gguf")

    def test_what_is_no_model(self):
        for path in (WORK / "absent.gguf", "/dev/null", WORK, "/etc/passwd"):
            with self.subTest(str(path)):
                self.refused_model(path)
                self.refused([RUN, path, "--prompt", "x"])

    def test_wrong_command_lines_of_opt(self):
        out = ["-o", WORK / "never.lamina"]
        for argv in ([], [DEMO], [DEMO, *out, "--placement=upside-down"], [DEMO, "--compile-to=nowhere"],
                     [DEMO, *out, "--max-batch-tokens=0"], [DEMO, *out, "--max-batch-tokens=-5"], [DEMO, *out, "--kv-type=i3"],
                     [DEMO, *out, "--cluster", WORK / "absent.yaml"], [DEMO, *out, "--no-such-flag"],
                     [DEMO, *out, "--max-context=99999999999999999999"], [DEMO, *out, "--cpu-targets=z80"]):
            with self.subTest(argv[1:]):
                self.refused([OPT, *argv], status=2)

    def test_wrong_command_lines_of_run(self):
        art, prompt = compiled(DEMO), ["--prompt", "x"]
        for argv in ([], [art], [art, *prompt, "--no-such-flag"], [art, *prompt, "-n", "many"], [art, *prompt, "-n", "-7"],
                     [art, "--prompt-tokens", "1,,2"], [art, "--prompt-tokens", "a"], [art, "--prompt-tokens", "1,99999999999"],
                     [art, *prompt, "--temperature", "-1"], [art, *prompt, "--temperature", "nan"],
                     [art, *prompt, "--top-p", "1.5"], [art, *prompt, "--threads", "-1"], [art, *prompt, "--output=xml"],
                     [art, *prompt, "--prompt-tokens", "1"], [art, "--describe", "--check"],
                     [art, "--prompt-file", WORK / "absent", "--logits-out", "x"]):
            with self.subTest(argv[1:]):
                self.refused([RUN, *argv], status=2)

    def test_nonsense_cluster_files(self):
        for name, text in {"empty": "", "comment": "# nothing\n", "not yaml": "{{{", "list": "- 1\n- 2\n", "words": "devices: yes please\n",
                           "binary": "\x00\x01\x02"}.items():
            with self.subTest(name):
                path = WORK / "cluster.yaml"
                path.write_text(text)
                self.refused([OPT, DEMO, "-o", WORK / "never.lamina", "--quiet", "--cluster", path], names=["cluster.yaml"])

    def test_prompt_beyond_the_context(self):
        ids = ",".join(["300"] * 600)
        self.refused([RUN, compiled(DEMO), "--prompt-tokens", ids], names=["600", "512"])

    def test_ids_outside_the_vocabulary(self):
        for ids in ("1,1536", "1,-1", "2147483647"):
            with self.subTest(ids):
                self.refused([RUN, compiled(DEMO), "--prompt-tokens", ids], names=["1536"])

    def test_unreadable_prompt_file(self):
        empty = WORK / "empty.txt"
        empty.write_text("\n\n")
        self.refused([RUN, compiled(DEMO), "--prompt-file", WORK / "absent.txt"], names=["absent.txt"])
        self.refused([RUN, compiled(DEMO), "--prompt-file", empty], names=["empty.txt"])
