"""Runs each python block of a Markdown file in its own process, as a reader would.

    python docs_check.py FILE.md FOLDER

FOLDER is the working directory. It must have the files that the commands on the page write. Exit status 0 if every
block succeeds, else 1 with the first line and the error of each block that fails.
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
            print(f"docs_check: the block that starts with {block.splitlines()[0]!r} failed:\n{result.stderr}", file=sys.stderr)
    print(f"{len(blocks) - failed} of {len(blocks)} blocks succeeded")
    return 1 if failed or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
