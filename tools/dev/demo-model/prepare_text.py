"""Turn the World English Bible of Debian's package sword-text-web into plain prose.

    python3 prepare_text.py MODULE_FOLDER OUT.txt

MODULE_FOLDER is .../sword/modules/texts/ztext/engWEB2015eb of the installed or unpacked package.  OUT.txt is UTF-8
that holds ASCII only: one paragraph a line, an empty line after each chapter.

What is kept: chapters that are mostly prose (poetry such as Psalms is left out, because a small model writes better
when it has one manner to learn), without headings, notes, cross references and verse numbers.
"""

import pathlib
import re
import struct
import sys
import unicodedata
import zlib

ASCII = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": " - ", "–": "-", "…": "..."})
DROP = re.compile(r"<(note|title)\b(?:[^>]*[^/])?>.*?</\1>", re.S)  # an element with everything inside it
CHAPTER = re.compile(r'<chapter n="[^"]*"[^>]*/>(.*?)<chapter eID', re.S)
PARAGRAPH_END = re.compile(r'<div eID="[^"]*" type="x-p"/>|<lg [^>]*>|<lb [^>]*>')
MAX_VERSE_LINES_PER_CHARACTER = 1 / 200


def module_markup(folder):
    """The OSIS markup of both testaments.  A zText module: *.bzs lists zlib blocks of *.bzz as (offset, size, length)."""
    for testament in ("ot", "nt"):
        data = (folder / f"{testament}.bzz").read_bytes()
        index = (folder / f"{testament}.bzs").read_bytes()
        blocks = struct.iter_unpack("<III", index)
        yield b"".join(zlib.decompress(data[o:o + n]) for o, n, _ in blocks if n).decode("utf-8")


def plain(markup):
    text = re.sub(r"<[^>]+>", "", markup)
    text = unicodedata.normalize("NFKD", text.translate(ASCII)).encode("ascii", "ignore").decode()
    text = re.sub(r"\[.*?\]|[][]", "", text)
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r" ([,.;:?!])", r"\1", text)


def chapters(folder):
    for markup in module_markup(folder):
        for body in CHAPTER.findall(DROP.sub(" ", markup)):
            if body.count("<l ") / 2 > len(plain(body)) * MAX_VERSE_LINES_PER_CHARACTER:
                continue
            paragraphs = [plain(part) for part in PARAGRAPH_END.split(body)]
            yield [p for p in paragraphs if re.search("[a-z]", p)]


def main():
    folder, out = map(pathlib.Path, sys.argv[1:])
    texts = ["\n".join(paragraphs) for paragraphs in chapters(folder) if paragraphs]
    out.write_text("".join(text + "\n\n" for text in texts))
    print(f"{len(texts)} chapters, {sum(map(len, texts))} characters")


if __name__ == "__main__":
    main()
