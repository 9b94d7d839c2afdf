"""A folder as exporters write it: the tokenizer and the configurations beside a decoder in ONNX."""

import json
import shutil
import sys
import unittest

from harness import DEMO, OPT, ROOT, RUN, WORK, compiled, data, ids_text, program, succeed

sys.path.insert(0, str(ROOT / "tools/dev"))
from gguf_file import Gguf  # noqa: E402

TEXTS = ["In the beginning God created the heavens and the earth.", "  two  spaces\nand 7 é 😀", "", "he said</s>unto them"]
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
SPACE = "\u2581"
NORMALIZER = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE},
                                                  {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]}


def tokenizer_json(gguf):
    """What exporters make of a SentencePiece vocabulary: each way to put a piece together is a merge, best pieces first."""
    tokens, scores, types = (gguf.keys[f"tokenizer.ggml.{key}"] for key in ("tokens", "scores", "token_type"))
    ids = {text: i for i, text in enumerate(tokens)}
    pieces = [i for i in range(len(tokens)) if types[i] == 1]
    merges = [(text[:cut], text[cut:]) for text in (tokens[i] for i in sorted(pieces, key=lambda i: -scores[i]))
              for cut in range(1, len(text)) if text[:cut] in ids and text[cut:] in ids]
    added = [{"id": i, "content": tokens[i], "special": True} for i in range(3)]
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}
    return {"model": {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "vocab": ids, "merges": merges},
            "normalizer": NORMALIZER, "added_tokens": added, "post_processor": post}


def folder(name, **files):
    """The demo model as an export, its decoder under a name of its own; `files` replace what is beside it."""
    path = WORK / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    succeed([sys.executable, ROOT / "tools/dev/make_onnx_model.py", DEMO, path / "decoder.onnx"])
    contents = {"tokenizer": tokenizer_json(Gguf(DEMO)), "tokenizer_config": {"eos_token": "</s>", "chat_template": CHAT},
                "genai_config": {"model": {"decoder": {"filename": "decoder.onnx"}}}} | files
    for stem, content in contents.items():
        (path / f"{stem}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def tokenized(model, text):
    return json.loads(succeed([RUN, model, "--tokenize", "--prompt", text]).out)


def generated(artifact, *flags):
    return json.loads(succeed([RUN, artifact, "-n", 12, "--output=json", "--threads=1", *flags]).out)


class Export(unittest.TestCase):
    def test_text_as_in_the_gguf_file(self):
        artifact = compiled(folder("export"))
        for text in TEXTS:
            with self.subTest(text):
                self.assertEqual(tokenized(artifact, text), tokenized(DEMO, text))
        ids = tokenized(DEMO, TEXTS[0])
        one, two = generated(artifact, "--prompt", TEXTS[0]), generated(artifact, "--prompt-tokens", ids_text(ids))
        self.assertEqual(one["tokens"], two["tokens"])
        self.assertTrue(one["text"].strip())
        self.assertEqual(generated(artifact, "--chat", "--prompt", TEXTS[0])["tokens"], one["tokens"])

    def test_generation_ends_where_the_configuration_says(self):
        usual = generated(compiled(folder("export")), "--prompt", TEXTS[0])["tokens"]
        third = usual[2]
        self.assertNotIn(third, usual[:2])
        for name, files in {"generation": {"generation_config": {"eos_token_id": [2, third]}, "genai_config":
                                           {"model": {"decoder": {"filename": "decoder.onnx"}, "eos_token_id": usual[0]}}},
                            "genai": {"genai_config": {"model": {"decoder": {"filename": "decoder.onnx"}, "eos_token_id": third}}}}.items():
            with self.subTest(name):
                stopped = generated(compiled(folder(f"export-{name}", **files)), "--prompt", TEXTS[0])["tokens"]
                self.assertEqual([id for id in stopped if id != third], usual[:2])

    def test_sampling_as_the_configuration_says(self):
        usual = compiled(folder("export"))
        want = generated(usual, "--prompt", TEXTS[0], "--seed=3", "--temperature=0.9", "--top-k=50", "--top-p=0.8")["tokens"]
        self.assertNotEqual(want, generated(usual, "--prompt", TEXTS[0], "--seed=3")["tokens"])
        sampling = {"do_sample": True, "temperature": 0.9, "top_p": 0.8}
        genai = {"model": {"decoder": {"filename": "decoder.onnx"}}, "search": sampling}
        for name, files in {"sampled": {"generation_config": sampling}, "searched": {"genai_config": genai}}.items():
            with self.subTest(name):
                artifact = compiled(folder(f"export-{name}", **files))
                self.assertEqual(generated(artifact, "--prompt", TEXTS[0], "--seed=3")["tokens"], want)
                self.assertEqual(generated(artifact, "--prompt", TEXTS[0], "--temperature=0")["tokens"],
                                 generated(usual, "--prompt", TEXTS[0])["tokens"])

    def test_a_chat_template_in_a_file_of_its_own(self):
        path = folder("export-chat")
        (path / "chat_template.jinja").write_text("unto " + CHAT)
        artifact = compiled(path)
        self.assertEqual(generated(artifact, "--chat", "--prompt", "them")["tokens"],
                         generated(artifact, "--prompt", "unto them")["tokens"])

    def test_recorded_ids(self):
        """As Hugging Face's tokenizers 0.23 gives them."""
        artifact = compiled(data("onnx/tiny-random-LlamaForCausalLM-fp16"), "--kv-type=f32")
        self.assertEqual(tokenized(artifact, "Hello there, friend"), [1, 15043, 727, 29892, 5121])
        self.assertEqual(tokenized(artifact, TEXTS[1]),
                         [1, 259, 1023, 29871, 8162, 13, 392, 29871, 29955, 904, 29871, 243, 162, 155, 131])
        self.assertEqual(tokenized(artifact, "a</s>b"), [1, 263, 2, 289])

    def test_run_without_compiling_first(self):
        """The artifact in the cache is of these very files."""
        def cached():
            return {path.name for path in (WORK / "cache/lamina").glob("*.lamina")}
        path, before = folder("export-direct"), cached()
        want = generated(compiled(path), "--prompt", TEXTS[0])["tokens"]
        self.assertEqual(generated(path, "--prompt", TEXTS[0])["tokens"], want)
        first = cached()
        self.assertEqual(len(first - before), 1)
        self.assertEqual(generated(path / "decoder.onnx", "--prompt", TEXTS[0])["tokens"], want)
        self.assertEqual(tokenized(path, TEXTS[1]), tokenized(DEMO, TEXTS[1]))
        self.assertEqual(cached(), first)
        (path / "generation_config.json").write_text(json.dumps({"eos_token_id": want[2]}))
        self.assertEqual([id for id in generated(path, "--prompt", TEXTS[0])["tokens"] if id != want[2]], want[:2])
        self.assertEqual(len(cached() - first), 1)

    def test_run_of_what_cannot_be_compiled(self):
        path = folder("export-broken")
        (path / "decoder.onnx").write_bytes((path / "decoder.onnx").read_bytes()[:1000])
        self.assertRegex(program([RUN, path, "--prompt", "x"]).err, r"^lamina-run: .*decoder\.onnx: [^\n]+\n$")
        empty = WORK / "export-empty"
        empty.mkdir()
        self.assertRegex(program([RUN, empty, "--prompt", "x"]).err,
                         r"^lamina-run: error: '.*export-empty' is no artifact: it holds no manifest\.json; .*export-empty: the folder holds no "
                         r"model\.onnx, and no genai_config\.json that names a decoder; give a model file[^\n]+\n$")

    def test_a_decoder_in_a_gguf_file(self):
        path = folder("export-gguf", genai_config={"model": {"decoder": {"filename": "decoder.gguf"}}})
        shutil.copy(DEMO, path / "decoder.gguf")
        want = generated(compiled(path), "--prompt", TEXTS[0])["tokens"]
        self.assertEqual(generated(path, "--prompt", TEXTS[0])["tokens"], want)

    def test_without_a_tokenizer(self):
        path = folder("export-ids")
        (path / "tokenizer.json").unlink()
        artifact = compiled(path)
        result = program([RUN, artifact, "--prompt", "x"])
        self.assertIn("the model has no vocabulary; give token ids with --prompt-tokens", result.err)
        ids = generated(artifact, "--prompt-tokens", "1,400")["tokens"]
        self.assertEqual(succeed([RUN, artifact, "-n", 12, "--prompt-tokens", "1,400"]).out, ids_text(ids) + "\n")

    def test_refusals(self):
        tokenizer = tokenizer_json(Gguf(DEMO))
        unigram, larger = json.loads(json.dumps(tokenizer)), json.loads(json.dumps(tokenizer))
        unigram["model"]["type"] = "Unigram"
        larger["added_tokens"].append({"id": 1600, "content": "<more>", "special": True})
        for message, files in {
                "tokenizer.json: expected a JSON object": {"tokenizer": "{"},
                "tokenizer.json: tokenizers of type 'Unigram' are not supported; supported is BPE, byte-level or made from SentencePiece; "
                "without tokenizer.json the model runs on token ids": {"tokenizer": unigram},
                "tokenizer.json: it has ids up to 1600, but the model's logits are 1536": {"tokenizer": larger},
                "tokenizer_config.json: expected a JSON object": {"tokenizer_config": "[]"},
                "generation_config.json: eos_token_id: expected ids from 0 to 1535, got: '1536'": {"generation_config": {"eos_token_id": 1536}},
                "generation_config.json: temperature: expected a number, got: '\\\"hot\\\"'": {"generation_config": {"do_sample": True, "temperature": "hot"}},
                "generation_config.json: top-p": {"generation_config": {"do_sample": True, "top_p": 2}},
                "genai_config.json: expected a JSON object": {"genai_config": "x"},
                "model.decoder.filename '../demo.onnx': the path contains '..'": {"genai_config": {"model": {"decoder": {"filename": "../demo.onnx"}}}},
                "model.decoder.filename '/etc/passwd': the path is absolute": {"genai_config": {"model": {"decoder": {"filename": "/etc/passwd"}}}},
                "gone.onnx": {"genai_config": {"model": {"decoder": {"filename": "gone.onnx"}}}}}.items():
            with self.subTest(message):
                result = program([OPT, folder("export-refused", **files), "-o", WORK / "never.lamina", "--quiet"])
                self.assertEqual(result.status, 1, result.err)
                self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
                self.assertIn(message, result.err)
