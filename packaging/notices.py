"""Writes licenses/crates.txt of a release archive: each crate that is linked into the program, and the texts of its licences.

    cargo about generate --format json ... | python notices.py >crates.txt

cargo-about takes a text from the files of the crate where it recognizes one; otherwise it gives the general text of the licence,
which names nobody. For the crates of a general text, this adds their own files with licences, if they have any. It also adds
all files called NOTICE, and the licences of C libraries that cargo-about leaves out. Crates without any file are named on stderr.
"""

import json
import re
import sys
from pathlib import Path

# Of C libraries inside crates: what is linked of liblz4 has a licence of its own.
MORE = {"lz4-sys": ["liblz4/lib/LICENSE"]}
LICENCE = re.compile(r"(licen[cs]e|copying|copyright|unlicense)", re.IGNORECASE)
GENERAL = re.compile(r"<(copyright holders|owner|name of copyright owner)>|\[yyyy\] \[name of copyright owner\]", re.IGNORECASE)
RULE = "=" * 80


def title(crate):
    return " ".join([f"  {crate['name']} {crate['version']}", *([crate["repository"]] if crate.get("repository") else [])])


def text(path):
    return path.read_text("utf-8", "replace").strip("\n")


def main():
    found = json.load(sys.stdin)["licenses"]
    crates = {(user["crate"]["name"], user["crate"]["version"]): user["crate"] for one in found for user in one["used_by"]}
    print("The crates that are linked into vaex, and their licences\n")
    print("Where a crate leaves a choice, the licence is named under which it is used here.\n")
    for _, crate in sorted(crates.items()):
        print(f"{title(crate)}\n      {crate.get('license') or ''}; {', '.join(crate.get('authors') or ['no authors named'])}")
    general = set()
    for one in found:
        users = sorted((user["crate"]["name"], user["crate"]["version"]) for user in one["used_by"])
        print(f"\n{RULE}\n{one['name']} ({one['id']})\n")
        print("\n".join(title(crates[user]) for user in users))
        print(f"\n{one['text'].strip(chr(10))}")
        # The general text of Apache's licence is the text that crates have, too.
        if GENERAL.search(one["text"]) and not one["id"].startswith("Apache"):
            general.update(users)
    for key, crate in sorted(crates.items()):
        folder = Path(crate["manifest_path"]).parent
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        own = [path for path in files if LICENCE.match(path.name)] if key in general else []
        if key in general and not own:
            print(f"notices.py: {title(crate).strip()} has no file with its licence ({crate.get('license')})", file=sys.stderr)
        own += [path for path in files if path.name.lower().startswith("notice")]
        own += [folder / name for name in MORE.get(crate["name"], [])]
        for path in own:
            print(f"\n{RULE}\n{path.relative_to(folder)} of\n\n{title(crate)}\n\n{text(path)}")


main()
