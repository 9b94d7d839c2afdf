"""Weights that are not carried: left out of artifacts here, written there."""

import hashlib
import json
import os
import random
import re

CHUNK = 4 << 20          # of the digests in a manifest
BLOCK = 16 * CHUNK       # of random bytes that weights repeat


def random_block():
    """The same bytes everywhere.  Bits 2, 3 and 6 of all are 0: then every float of 16 or 32 bits is finite and small."""
    block = random.Random(1).getrandbits(8 * BLOCK).to_bytes(BLOCK, "little")
    return block.translate(bytes(b & 0xB3 for b in range(256)))


def leave_weights_out(artifact):
    """Removes the shards, and has the manifest expect blocks of random bytes instead.  -> their lengths by path."""
    block, lengths = random_block(), {}
    digests = [hashlib.sha256(block[i:i + CHUNK]).digest() for i in range(0, BLOCK, CHUNK)]
    head, body = (artifact / "manifest.json").read_bytes().split(b"\n", 1)
    files = json.loads(head + body)["files"]
    for shard in (artifact / "weights").glob("*.bin"):
        name = shard.relative_to(artifact).as_posix()
        length = lengths[f"{artifact.name}/{name}"] = shard.stat().st_size
        whole, rest = divmod(length, CHUNK)
        first = whole % len(digests) * CHUNK
        chunks = [digests[i % len(digests)] for i in range(whole)]
        chunks += [hashlib.sha256(block[first:first + rest]).digest()] if rest else []
        body = body.replace(files[name]["chunks_sha256"].encode(), hashlib.sha256(b"".join(chunks)).hexdigest().encode())
        shard.unlink()
    head = re.sub(rb"[0-9a-f]{64}", hashlib.sha256(body).hexdigest().encode(), head)
    (artifact / "manifest.json").write_bytes(head + b"\n" + body)
    return lengths


class WeightsWriter:
    """Writes what was left out.  Shards of one length, as those of one model have, are one file."""

    def __init__(self, artifacts, lengths):
        self.artifacts, self.lengths = artifacts, lengths
        self.block, self.written = random_block(), {}

    def write(self, artifact):
        """Those of an artifact."""
        for name, length in self.lengths.items():
            if name.split("/")[0] != f"{artifact}.lamina":
                continue
            path = self.artifacts / name
            path.parent.mkdir(exist_ok=True)
            if not path.exists() and not self.linked(path, length):
                with open(f"{path}.part", "wb") as out:
                    for done in range(0, length, BLOCK):
                        out.write(self.block[:length - done])
                os.replace(f"{path}.part", path)
            self.written.setdefault(length, path)

    def linked(self, path, length):
        try:
            os.link(self.written[length], path)
            return True
        except (KeyError, OSError):  # the first of its length, or a file system without links
            return False
