"""The manifest: which files there are, and what a program must read from them."""

import json
from pathlib import Path

import numpy as np

PATHS = (
    "Paths of `cases` and `refused` are relative to files/, those of `hostile` to hostile/, as are the paths of labels in "
    "`settings`. A path can have an array or a folder after a colon, as in a spec. The words of `says` must be in the message, of "
    "`refused` without the path of the file, which may have the same words. A spec also needs `validation = 0` for few images."
)

RARE = "a rare type of numbers"


def whole(name: str, values, names: list[str] | None = None, size: int | None = None) -> dict:
    """A column of whole numbers from 0, which are used as they are."""
    values = [int(value) for value in np.asarray(values).ravel()]
    size = size or (len(names) if names else max(values) + 1)
    return {"name": name, "size": size, "names": names, "values": values}


def ranked(name: str, values) -> dict:
    """A column of floats, texts, or other whole numbers: they are numbered by rank, and named."""
    values = list(values)
    different = sorted(set(values))
    names = [value if isinstance(value, str) else number_text(value) for value in different]
    return {"name": name, "size": len(names), "names": names, "values": [different.index(value) for value in values]}


def number_text(value) -> str:
    """The shortest text of a number, without `.0`."""
    return repr(float(value)).removesuffix(".0") if isinstance(value, (float, np.floating)) else str(int(value))


def lossy(largest: float, mean: float) -> dict:
    """How far a decoder of a lossy format may be from the expected values."""
    return {"largest": largest, "mean": mean}


class Manifest:
    """Collects the cases and their expected arrays."""

    def __init__(self, folder: Path):
        self.files = folder / "files"
        self.hostile_files = folder / "hostile"
        self.sections: dict[str, list[dict]] = {"cases": [], "refused": [], "hostile": []}
        self.arrays: dict[str, np.ndarray] = {}
        self.names: dict[tuple, str] = {}

    def array(self, name: str, array: np.ndarray) -> str:
        """Keeps an expected array (Images, Height, Width, Channels), and gives its name: equal arrays have one."""
        array = np.ascontiguousarray(array)
        if array.ndim != 4 or array.dtype not in (np.uint8, np.float32) or array.shape[3] not in (1, 3):
            raise ValueError(f"{name}: not images: {array.shape} {array.dtype}")
        content = (array.shape, array.dtype.str, array.tobytes())
        known = self.names.setdefault(content, name)
        self.arrays[known] = array
        return known

    def case(
        self,
        name: str,
        path: str,
        array: np.ndarray,
        writer: str,
        about: str,
        *,
        element: str | None = None,
        settings: dict | None = None,
        columns: list[dict] | None = None,
        validation: tuple | None = None,
        test: tuple | None = None,
        tolerance=0,
        notes: list[str] | None = None,
        undecided: str | None = None,
    ) -> None:
        """A file that must be read, with `settings` in `[data]`.

        `validation` and `test` are pairs of an array and its columns, of files that have these parts. The order of columns is
        free. `notes` are words of what the user must be told. `undecided` says why a reader may also refuse the file.
        """
        element = element or ("floats" if array.dtype == np.float32 else "bytes")
        entry = {"name": name, "path": path, "settings": settings or {}, "element": element, "shape": list(array.shape)}
        entry |= {"array": self.array(name, array), "columns": columns or [], "tolerance": tolerance}
        for part, content in (("validation", validation), ("test", test)):
            if content is not None:
                images, of_part = content
                entry[part] = {"array": self.array(f"{name}-{part}", images), "columns": of_part}
        entry |= {"notes": notes} if notes else {}
        entry |= {"undecided": undecided} if undecided else {}
        self.add("cases", self.files, entry | {"writer": writer, "about": about})

    def refused(
        self, name: str, path: str, says: list[str], writer: str, about: str, settings: dict | None = None
    ) -> None:
        """A file that is fine, but that must be refused; the message must have these words, in any case."""
        entry = {"name": name, "path": path, "settings": settings or {}, "says": says, "writer": writer, "about": about}
        self.add("refused", self.files, entry)

    def hostile(
        self,
        name: str,
        path: str,
        about: str,
        says: list[str] | None = None,
        settings: dict | None = None,
        outcome: str = "refused",
    ) -> None:
        """A damaged or malicious file. `outcome` is `refused`, or `either`: read or refused, but neither crash nor hang."""
        entry = {
            "name": name,
            "path": path,
            "settings": settings or {},
            "outcome": outcome,
            "says": says or [],
            "about": about,
        }
        self.add("hostile", self.hostile_files, entry)

    def add(self, section: str, folder: Path, entry: dict) -> None:
        name, path = entry["name"], entry["path"]
        if any(other["name"] == name for entries in self.sections.values() for other in entries):
            raise ValueError(f"two cases of the name {name}")
        file = folder / path
        if not file.exists() and not (folder / path.rpartition(":")[0]).is_file() and not list(folder.glob(path)):
            raise ValueError(f"{name}: no file {file}")
        self.sections[section].append(entry)

    def write(self, folder: Path) -> None:
        """Writes expected.json and expected.npz: an entry is a line."""
        sections = []
        for section, entries in self.sections.items():
            lines = ",\n".join("    " + json.dumps(entry, ensure_ascii=False) for entry in entries)
            sections.append(f"  {json.dumps(section)}: [\n{lines}\n  ]")
        text = f'{{\n  "paths": {json.dumps(PATHS)},\n' + ",\n".join(sections) + "\n}\n"
        json.loads(text)
        (folder / "expected.json").write_text(text, encoding="utf-8")
        np.savez_compressed(folder / "expected.npz", **self.arrays)


def written(path: Path, content: bytes) -> Path:
    """A file with this content; its folder is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
