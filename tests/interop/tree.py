"""Makes trees of files. `tree.py nasty DIR EVERY`, or `tree.py plain DIR FILES FOLDERS SIZE`.

`nasty` has every kind of name that has ever made a program of this sort fail, or only every
second, third… of them: rclone needs 1.6 s a file. Left out is what rclone does not read as it is
from its own disk: names that are not UTF-8, and those with U+201B or U+FF0F, which it takes there
for its own quotes; and names whose encoded form is above 250 bytes, which are cut on the service.
"""

import os
import sys

NASTY = [
    "plain.txt", " leading space", "trailing space ", "  both  ", "two  inside", ".hidden",
    "...", ".. not", "..hidden", "a\\b", "a'b", 'a"b', "a`b", "a$b", "a<b>c", "a|b", "a:b", "a*b?",
    "a%2Fb", "a&b=c", "a#b", "a;b", "a,b", "a+b", "a~b", "a^b", "a[b]{c}", "a@b!", "tab\there",
    "line\nbreak", "return\rhere", "escape\x1b[31m", "delete\x7f", "bell\x07",
    "caf\u00e9", "cafe\u0301", "\U0001f600", "\u202eright to left", "\u65e5\u672c\u8a9e",
    "\u2018quoted\u2019", "\u2420 symbol",
    "Case", "case", "CASE", "x" * 200, "\u00e9" * 100, "-rf", "--help", "CON", "nul.txt", "a.", "~",
]


def nasty(top, every):
    folders = {"": NASTY[::every], "sub folder": NASTY[:2], "sub folder/it's $HOME": NASTY[:1],
               "\u00e9t\u00e9/'": NASTY[:1]}
    for folder, names in folders.items():
        where = os.path.join(top, folder)
        os.makedirs(where, exist_ok=True)
        for number, name in enumerate(names):
            with open(os.path.join(where, name), "w", encoding="utf-8") as file:
                file.write(f"{folder!r} {name!r}\n" * (number + 1))
    with open(os.path.join(top, "three megabytes"), "wb") as file:
        file.write(bytes(range(256)) * 12288)


def plain(top, files, folders, size):
    seed = os.urandom(size)
    for number in range(files):
        where = os.path.join(top, f"folder {number % folders:04}")
        os.makedirs(where, exist_ok=True)
        with open(os.path.join(where, f"file {number:06}.bin"), "wb") as file:
            file.write(number.to_bytes(8, "big") + seed[8:])


if __name__ == "__main__":
    kind, top, *numbers = sys.argv[1:]
    {"nasty": nasty, "plain": plain}[kind](top, *map(int, numbers))
