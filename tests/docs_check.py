"""Runs the python blocks of a Markdown file, each by itself, as a reader would.

    python docs_check.py FILE.md FOLDER

FOLDER is the working directory: it holds what the text says that commands have left. Exit status 0 if every block runs
to its end, else 1 with the first line of each that does not.
"""

import re
import subprocess
import sys
from pathlib import Path


def main():
    text, folder = Path(sys.argv[1]).read_text(), sys.argv[2]
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    failed = 0
    for block in blocks:
        result = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True)
        if result.returncode != 0:
            failed += 1
            print(f"docs_check: the block that begins with {block.splitlines()[0]!r} fails:\n{result.stderr}", file=sys.stderr)
    print(f"{len(blocks) - failed} of {len(blocks)} blocks run")
    return 1 if failed or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
