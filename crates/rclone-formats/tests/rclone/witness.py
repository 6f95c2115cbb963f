"""A second implementation of rclone's crypt, to compare with: the package rclone-crypt-python.

Reads one JSON object from standard input: passwords, what this crate made, and what it is made of.
Writes another one: what the package reads in it, and what it makes of the same. It judges nothing;
`witness.rs` does.
"""

import io
import json
import sys

from rclone_crypt import CryptFile, CryptSecrets, NameCipher, obscure, reveal


class Kept(io.BytesIO):
    """Keeps what was written when it is closed."""

    def close(self):
        self.kept = self.getvalue()
        super().close()


def encrypted(plain, secrets):
    kept = Kept()
    with CryptFile.open_write(kept, secrets=secrets) as writer:
        writer.write(plain)
    return kept.kept


def deciphered(stored, secrets):
    with CryptFile.open_read(io.BytesIO(stored), secrets=secrets) as reader:
        return reader.read()


def part(stored, secrets):
    """100 bytes around the first border of two blocks, read by themselves."""
    with CryptFile.open_read(io.BytesIO(stored), secrets=secrets) as reader:
        reader.seek(65_500)
        return reader.read(100)


def main():
    asked = json.load(sys.stdin)
    secrets = CryptSecrets.from_passwords(asked["password"], asked["password2"])
    files = [{key: bytes.fromhex(file[key]) for key in file} for file in asked["files"]]
    answer = {
        "read": [deciphered(file["stored"], secrets).hex() for file in files],
        "parts": [part(file["stored"], secrets).hex() for file in files],
        "written": [encrypted(file["plain"], secrets).hex() for file in files],
        "names": {},
        "names_read": {},
        "revealed": [reveal(text).decode() for text in asked["obscured"]],
        "obscured": obscure(asked["password"]),
    }
    for encoding, stored in asked["stored_names"].items():
        cipher = NameCipher(secrets, filename_encoding=encoding)
        answer["names"][encoding] = [cipher.encrypt_name(n, is_dir=False) for n in asked["names"]]
        answer["names_read"][encoding] = [cipher.decrypt_name(n, is_dir=False) for n in stored]
    json.dump(answer, sys.stdout)


main()
