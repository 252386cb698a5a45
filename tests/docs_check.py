"""Checks the blocks and the links of Markdown pages: commands run, specs are planned, examples work as a reader uses them.

    python docs_check.py --vaex PROGRAM --runs FOLDER PAGE...

Each page has a fresh folder with `vaex` on the PATH, a copy of experiments/, in runs/ a copy of the trained experiments in
FOLDER, and in photos/ 200 small pictures (unless a python block of the page names that folder). Its blocks are checked there
from the first to the last:

    sh, bash       run by `bash -euo pipefail`; the exit status must be 0
    toml           a spec or a part of one: `vaex plan` must accept it
    python         run in a process of its own
    sql            run by DuckDB
    json, jsonl    parsed
    text and the other languages of UNCHECKED    not checked

A mark after the language changes that; a page that is rendered does not show it:

    ```sh parsed: REASON      not run: the syntax is checked, and vaex parses the arguments of each of its commands
    ```toml parsed: REASON    may be refused, but only because data or a build with CUDA is missing
    ```python parsed: REASON  not run: compiled
    ```toml not a spec        parsed as TOML
    ```toml refused           must be refused with exit status 2, also `sh refused`; if the next block is a text, it is the
                              whole output (specs are named spec.toml there)
    ```toml file: NAME        in any language: saved under this name for the blocks that follow, and checked
    ```sh file: NAME, parsed: REASON    both

Relative links must lead to a file, and their anchors to a heading of it. In the text, `vaex COMMAND --option` must be a command
and an option. Exit status 0 if all succeeds, 1 if something failed or nothing was checked. Needs duckdb and pillow, and what
the python blocks import.
"""

import argparse
import collections
import concurrent.futures
import functools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 900  # for one block
UNCHECKED = {"text", "rust", "cpp", "cuda", "latex", "bibtex", "csv", "diff", "markdown"}
MARKS = {
    "file": {"sh", "bash", "toml", "python", "sql", "json", "jsonl", *UNCHECKED},
    "parsed": {"sh", "bash", "toml", "python"},
    "refused": {"sh", "bash", "toml"},
    "not a spec": {"toml"},
}
# What `vaex plan` says if only data or CUDA is missing on this machine.
MISSING = re.compile(r"of `(data\.\w+|train\.init_from)` does not exist|^\S.* is not in .*To get it|built without CUDA")
# Prints the line and the text of the command that failed.
PLACE = re.compile(r"\n\[line (\d+): (.*)\]\n\Z", re.S)
TRAP = "trap 'status=$?; printf \"\\n[line %s: %s]\\n\" $LINENO \"$BASH_COMMAND\" >&2; exit $status' ERR; "


class Failure(Exception):
    """What is wrong, with the line of the block or of the page, counted from 1."""

    def __init__(self, what, output="", line=0):
        super().__init__(what)
        self.output, self.line = output, line


class Block:
    def __init__(self, line, info, text):
        self.line, self.text = line, text
        self.language, _, marks = info.partition(" ")
        marks = re.split(r", (?=file|refused|parsed|not a spec)", marks.strip()) if marks else []
        self.marks = {name: argument.strip() for name, _, argument in (mark.partition(":") for mark in marks)}

    def check_marks(self):
        if self.language not in CHECKS and self.language not in UNCHECKED:
            raise Failure(f"`{self.language}` is not a known language: {', '.join([*CHECKS, *sorted(UNCHECKED)])}")
        for mark, argument in self.marks.items():
            if self.language not in MARKS.get(mark, ()):
                raise Failure(f"`{mark}` is not a mark of {self.language} blocks")
            if (mark in ("file", "parsed")) != bool(argument):
                raise Failure(f"write `file: NAME`, `parsed: REASON`, `refused` or `not a spec`, not `{mark}:{argument}`")


class Page:
    def __init__(self, path, vaex, runs, work):
        self.path, self.folder = path, work / "page"
        self.counts, self.failures = collections.Counter(), []
        for name in ("home", "bin"):
            (work / name).mkdir(parents=True)
        (work / "bin/vaex").symlink_to(vaex)
        shutil.copytree(ROOT / "experiments", self.folder / "experiments", ignore=shutil.ignore_patterns("data", "mnist"))
        shutil.copytree(runs, self.folder / "runs", copy_function=copy)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("VAEX_")}
        search = [work / "bin", Path(sys.executable).parent, os.environ["PATH"]]
        self.environment |= {"PATH": ":".join(map(str, search)), "HOME": str(work / "home"), "VAEX_CACHE": str(work / "cache")}

    def check(self):
        started = time.monotonic()
        text, blocks, unclosed = split(self.path.read_text())
        if not any(block.language == "python" and "photos" in block.text for block in blocks):
            draw_photos(self.folder / "photos")
        for block, following in zip(blocks, [*blocks[1:], None]):
            self.attempt(block.line, lambda: self.check_block(block, following))
        if unclosed:
            self.failures.append(f"{self.path}:{unclosed}: the block has no end\n")
        self.check_text(text)
        print(f"{self.path}: {len(blocks)} blocks, {time.monotonic() - started:.1f} s", flush=True)
        return self

    def attempt(self, line, check):
        try:
            check()
        except Failure as failure:
            output = "".join(f"    {line}\n" for line in failure.output.strip().splitlines())
            self.failures.append(f"{self.path}:{line + failure.line}: {failure}\n{output}")

    def check_block(self, block, following):
        block.check_marks()
        if name := block.marks.get("file"):
            target = (self.folder / name).resolve()
            if not target.is_relative_to(self.folder.resolve()):
                raise Failure(f"{name} is not in the folder of the page")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        if block.language in UNCHECKED:
            return self.count("unchecked")
        output = CHECKS[block.language](self, block)
        if "refused" in block.marks and following and following.language == "text":
            expected, printed = following.text.strip(), output.strip()
            if printed != expected:
                raise Failure("the text below the block is not what vaex prints:", printed)

    def count(self, what):
        self.counts[what] += 1

    def execute(self, command, shown=None, statuses=(0,), text=None):
        """The exit status and the output of a command; another status than those fails."""
        process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            output, _ = process.communicate(text, timeout=SECONDS)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, status = process.communicate()[0], f"none: ended after {SECONDS} s"
        shown, line = shown or shlex.join(command), 0
        if place := PLACE.search(output):
            line, shown, output = int(place[1]), place[2], output[: place.start()]
        if status in statuses:
            return status, output
        raise Failure(f"`{shown}`: exit status {status}, expected {statuses[0]}", output, line)

    def check_shell(self, block):
        if "parsed" not in block.marks:
            wanted = 2 if "refused" in block.marks else 0
            first = block.text.strip().partition("\n")[0]
            _, output = self.execute(["bash", "-euo", "pipefail", "-c", TRAP + block.text], first, (wanted,))
            self.count("refused" if wanted else "run")
            return output
        self.execute(["bash", "-n"], "bash -n", text=block.text)
        for line, command in vaex_commands(block.text):
            end = command.index("--") if "--" in command else len(command)
            specs = [word for word in command if re.fullmatch(r"experiments/.*\.toml", word)]
            if missing := [spec for spec in specs if not (self.folder / spec).exists()]:
                raise Failure(f"{missing[0]} does not exist", line=line)
            try:
                self.execute([*command[:end], "--help", *command[end:]], shlex.join(command))
            except Failure as failure:
                raise Failure(str(failure), failure.output, line) from None
        self.count("parsed")

    def check_spec(self, block):
        name = block.marks.get("file", "spec.toml")
        (self.folder / name).write_text(block.text)
        plan = ["vaex", "plan", name]
        if not {"parsed", "not a spec"} & set(block.marks):
            status, output = self.execute(plan, statuses=(2 if "refused" in block.marks else 0,))
            self.count("refused" if status else "planned")
            return output
        try:
            tomllib.loads(block.text)
        except tomllib.TOMLDecodeError as error:
            raise Failure(f"not TOML: {error}") from None
        if "not a spec" in block.marks:
            return self.count("parsed")
        status, output = self.execute([*plan, "--json"], statuses=(0, 2))
        errors = json.loads(output)["errors"] if status else []
        for error in errors:
            if not MISSING.search(error["message"]):
                raise Failure("`vaex plan` refuses it not only for missing data:", error["message"], error["line"] or 0)
        self.count("parsed")

    def check_python(self, block):
        if "parsed" in block.marks:
            try:
                compile(block.text, str(self.path), "exec")
            except SyntaxError as error:
                raise Failure(f"not Python: {error.msg}", line=error.lineno) from None
            return self.count("parsed")
        try:
            self.execute([sys.executable, "-c", block.text], "python")
        except Failure as failure:
            if lines := re.findall(r'File "<string>", line (\d+)', failure.output):
                failure.line = int(lines[-1])
            raise
        self.count("run")

    def check_sql(self, block):
        code = "import duckdb, sys; print(duckdb.connect().execute(sys.stdin.read()).fetchall())"
        self.execute([sys.executable, "-c", code], "duckdb", text=block.text)
        self.count("run")

    def check_json(self, block):
        for text in block.text.splitlines() if block.language == "jsonl" else [block.text]:
            try:
                json.loads(text)
            except ValueError as error:
                raise Failure(f"not JSON: {error}") from None
        self.count("run")

    def check_text(self, text):
        """The links and the commands in the text of a page, which has an empty line for each line of a block."""
        spans = re.compile(r"(?<!`)`([^`]+)`(?!`)")
        line = 1
        for paragraph in re.split(r"(\n\s*\n)", text):
            place = lambda match: line + paragraph.count("\n", 0, match.start())
            for span in spans.finditer(paragraph):
                self.attempt(place(span), lambda: self.check_options(span[1]))
            without_code = spans.sub(lambda match: "\n" * match[0].count("\n"), paragraph)
            for link in re.finditer(r"\]\(([^)\s]+)[^)]*\)|^\[[^]]+\]: *(\S+)$", without_code, re.M):
                self.attempt(place(link), lambda: self.check_link(link[1] or link[2]))
            line += paragraph.count("\n")

    def check_options(self, code):
        words = code.replace("\\|", " ").split()
        if len(words) < 2 or words[0] != "vaex" or not re.match("[a-z]", words[1]):
            return
        _, usage = self.execute(["vaex", words[1], "--help"])
        for option in re.findall(r"(?<!\S)\[?(--[a-z][a-z-]*|-[a-z](?![a-z]))", code.partition(" -- ")[0]):
            if not re.search(rf"(?<![\w-]){option}(?![\w-])", usage):
                raise Failure(f"`{code}`: `vaex {words[1]}` has no option `{option}`")
        self.count("mentions")

    def check_link(self, target):
        if re.match(r"[a-z]+:", target):
            return
        path, _, anchor = target.partition("#")
        file = self.path.parent / path if path else self.path
        if not file.exists():
            raise Failure(f"link to {path}, which does not exist")
        if anchor and (file.suffix != ".md" or anchor not in anchors(file)):
            raise Failure(f"link to {target}, which has no heading for `{anchor}`")
        self.count("links")


CHECKS = {"sh": Page.check_shell, "bash": Page.check_shell, "toml": Page.check_spec, "python": Page.check_python,
          "sql": Page.check_sql, "json": Page.check_json, "jsonl": Page.check_json}


def split(markdown):
    """The text of a page with empty lines in place of its blocks, the blocks, and the line of a block without an end."""
    text, blocks, fence = [], [], None
    for number, line in enumerate(markdown.splitlines(), 1):
        mark = re.match(r"( *)(`{3,}|~{3,})(.*)", line)
        if fence is None and mark:
            fence, inner, start = mark, [], number
        elif fence is None:
            text.append(line)
            continue
        elif mark and not mark[3].strip() and mark[2].startswith(fence[2]):
            inner = [inside.removeprefix(fence[1]) for inside in inner]
            blocks.append(Block(start, fence[3].strip(), "".join(f"{inside}\n" for inside in inner)))
            fence = None
        else:
            inner.append(line)
        text.append("")
    return "\n".join(text), blocks, start if fence else None


def vaex_commands(script):
    """The simple commands of a script that start with vaex, or run it with cargo, each with its line."""
    commands, pending, start = [], "", 0
    for number, line in enumerate(script.splitlines(), 1):
        start, pending = (start, pending + "\n" + line) if pending else (number, line)
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        try:
            lexer = shlex.shlex(pending, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError:  # a quotation that continues on the next line
            continue
        pending, command = "", []
        for word in [*words, ";"]:
            if set(word) <= set(";&|()<>"):
                commands.append((start, command))
                command = []
            elif command or not re.match(r"\w+=", word):
                command.append(word)
    for start, command in commands:
        if command[:2] == ["cargo", "run"] and "--" in command and "--example" not in command:
            command[: command.index("--") + 1] = ["vaex"]
    return [(start, command) for start, command in commands if command[:1] == ["vaex"]]


@functools.cache
def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    text, *_ = split(page.read_text())
    found, seen = set(re.findall(r'<a (?:id|name)="([^"]+)"', text)), collections.Counter()
    for heading in re.findall(r"^#{1,6} +(.*?)[ #]*$", text, re.M):
        words = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def copy(source, target):
    """A link to weights and states, which are large and which vaex replaces but does not change; a copy of other files."""
    if source.endswith(".safetensors"):
        try:
            return os.link(source, target)
        except OSError:  # another file system
            pass
    shutil.copy2(source, target)


def draw_photos(folder):
    from PIL import Image

    for number in range(200):
        target = folder / ("day" if number % 2 else "night") / f"{number:03}.{'png' if number % 3 else 'jpg'}"
        target.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.linear_gradient("L").resize((72, 80)).rotate(number * 7)
        Image.merge("RGB", [picture, picture.rotate(90), picture.point(lambda value: value // 2)]).save(target)


def main():
    parser = argparse.ArgumentParser(usage="docs_check.py --vaex PROGRAM --runs FOLDER PAGE...")
    parser.add_argument("--vaex", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("pages", type=Path, nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        def check(numbered):
            number, path = numbered
            return Page(path, arguments.vaex.resolve(), arguments.runs, Path(work) / str(number)).check()
        pages = list(pool.map(check, enumerate(arguments.pages)))
    counts = sum((page.counts for page in pages), collections.Counter())
    failures = [failure for page in pages for failure in page.failures]
    for failure in failures:
        print(failure, file=sys.stderr)
    kinds = "{run} blocks run, {planned} specs planned, {refused} refused, {parsed} only parsed, {unchecked} not checked; " \
            "{links} links, {mentions} commands in the text; {failed} failed"
    print(kinds.format_map(counts + collections.Counter(failed=len(failures))))
    if not counts["run"] + counts["planned"] + counts["refused"]:
        print("docs_check: no block was run, planned or refused", file=sys.stderr)
        return 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
