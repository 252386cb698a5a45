"""Writes small test files in every format that vaex reads, with the programs that people use, and what must be read from them.

    python tests/formats/make_formats.py

writes, into the folder of this script:

- `files/`: files that must be read, and files that must be refused although nothing is wrong with them;
- `hostile/`: damaged and malicious files;
- `expected.json`: the settings, columns and messages of each of them, see `makers/manifest.py`;
- `expected.npz`: the expected values, (Images, Height, Width, Channels).

The expected values are those that Python programs read from the files: NumPy, Pillow, torchvision, pyarrow, h5py. Random numbers
have fixed seeds, and times are left out of archives, so a second run gives the same files, as long as the versions are the same.

It needs more packages than `tests/requirements.txt` lists, because the tests do not need them:

    pip install -r tests/requirements.txt datasets==5.2.0 h5py==3.16.0 py7zr==1.1.4 pypng==0.20220715.0 scipy==1.17.1 \
        torchvision==0.29.2 zstandard==0.25.0
"""

import os
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
sys.dont_write_bytecode = True

import datasets
from makers import archives, cifar, hdf5, hostile, idx, numpy_files, parquet, pictures, refused, resizing, tables
from makers.manifest import Manifest

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    datasets.disable_progress_bars()
    manifest = Manifest(FOLDER)
    for folder in (manifest.files, manifest.hostile_files):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for maker in (idx, numpy_files, pictures, resizing, archives, parquet, tables, cifar, hdf5, refused, hostile):
        maker.make(manifest)
    manifest.write(FOLDER)
    for section, entries in manifest.sections.items():
        print(f"{section}: {len(entries)}")
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files):,} bytes")


if __name__ == "__main__":
    main()
