"""Record what the demo model must say, for test/e2e/test_demo.py, and see that llama.cpp says the same.

    python3 record.py MODEL.gguf OUT.json

Prompts are tokenised by llama.cpp (package xllamacpp); all recorded numbers come from ../reference.py in
float64. llama.cpp rounds activations to 8 bits, which is worth about a per cent of the
log probabilities: more than 3 % is an error.
"""

import json
import pathlib
import sys
import urllib.request

import numpy as np
import xllamacpp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from reference import Reference, record  # noqa: E402

PROMPTS = (
    "In the beginning",
    "The king said to the people,",
    "When the sun had gone down, the old man came out of the city with his two sons. He sat by the well, and said to them, "
    '"Listen to me, my children, and keep my words in your heart. Don\'t be afraid of those who are stronger than you."',
)
COUNT, LIMIT = 32, 0.03


class LlamaCpp:
    def __init__(self, path):
        params = xllamacpp.CommonParams()
        params.model.path, params.n_ctx, params.n_parallel, params.cpuparams.n_threads = path, 512, 1, 1
        self.server = xllamacpp.Server(params)

    def ask(self, what, **body):
        request = urllib.request.Request(f"{self.server.listening_address}/{what}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=60))

    def tokenize(self, text):
        return self.ask("tokenize", content=text, add_special=True)["tokens"]

    def greedy(self, ids, count, vocabulary):
        """-> (ids, text, log probabilities of the first of them)"""
        answer = self.ask("completion", prompt=ids, n_predict=count, temperature=0, n_probs=vocabulary,
                          ignore_eos=True, return_tokens=True, cache_prompt=False)
        first = {entry["id"]: entry["logprob"] for entry in answer["completion_probabilities"][0]["top_logprobs"]}
        return answer["tokens"], answer["content"], np.array([first[i] for i in range(vocabulary)])


def log_softmax(x):
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


def main():
    model, out = sys.argv[1:]
    reference, llama, records = Reference(model), LlamaCpp(model), []
    for prompt in PROMPTS:
        ids = llama.tokenize(prompt)
        entry = record(reference, ids, COUNT)
        records.append({"prompt": prompt, **entry})
        ours = log_softmax(np.array(entry["last_logits"]))
        tokens, text, theirs = llama.greedy(ids, COUNT, len(ours))
        difference = float(np.linalg.norm(theirs - ours) / np.linalg.norm(ours))
        print(f"{prompt[:40]!r}: {len(ids)} ids; llama.cpp differs by {difference:.1e}, its first "
              f"{sum(np.cumprod([a == b for a, b in zip(tokens, entry['greedy_ids'])]))} of {COUNT} ids agree:\n    {text!r}")
        if difference > LIMIT:
            raise SystemExit(f"record: llama.cpp and the reference differ by more than {LIMIT}")
    pathlib.Path(out).write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")


if __name__ == "__main__":
    main()
