"""Checks the parquet files in a runs folder: their columns, and that they agree with each other.

    python parquet_check.py RUNS_DIR [FURTHER_DIR...]

Needs pyarrow, duckdb, pandas and polars, and reads every file with pyarrow and duckdb. For each folder with a trials.parquet it
checks that trials.parquet and curves.parquet have their columns, that the row of a trial agrees with its trial.json, that
the curves of a trial agree with its metrics.parquet, and that elbo_nats is -recon_nats - kl_nats. pyarrow, duckdb, pandas
and polars must each be able to scan all trials.parquet as one table, and all curves.parquet, including those in FURTHER_DIR.
Exit status 0 if so, else 1 with one line per error.
"""

import json
import math
import sys
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow.dataset
import pyarrow.parquet as pq

SCHEMA = json.loads((Path(__file__).parent.parent / "schemas" / "tables.json").read_text())


def of_schema(file):
    """The columns of a table: names and types."""
    return {column["name"]: column["type"] for column in SCHEMA[file]["columns"]}


# Columns of a trial that trials.parquet adds to trial.json.
NOT_IN_RECORD = {"in_plan", "folder"}
NUMBERS = ["epoch", "step", "loss", "recon_nats", "kl_nats", "elbo_nats", "effective_beta"]

problems = []
db = duckdb.connect()


def wrong(message):
    problems.append(message)


def quoted(path):
    return "'" + str(path).replace("'", "''") + "'"


def sql(query):
    """Column names and rows of the result of a query in duckdb."""
    cursor = db.execute(query)
    return [column[0] for column in cursor.description], cursor.fetchall()


def read(path):
    """The rows of a file, read by pyarrow and compared with those of duckdb. None if it cannot be read or the columns differ."""
    try:
        table = pq.read_table(path)
        columns, rows = sql(f"SELECT * FROM read_parquet({quoted(path)})")
    except (OSError, ValueError, duckdb.Error) as error:
        wrong(f"{path}: {str(error).splitlines()[0]}")
        return None
    if columns != table.column_names:
        wrong(f"{path}: duckdb has the columns {columns}, pyarrow {table.column_names}")
        return None
    found = table.to_pylist()
    if len(rows) != len(found):
        wrong(f"{path}: duckdb has {len(rows)} rows, pyarrow {len(found)}")
    for i, (row, other) in enumerate(zip(rows, found)):
        for column, value in zip(columns, row):
            if not same(value, other[column]):
                wrong(f"{path}: row {i}, {column}: duckdb reads {value!r}, pyarrow {other[column]!r}")
    return Rows(path, columns, found)


class Rows:
    def __init__(self, path, columns, rows):
        self.path, self.columns, self.rows = path, columns, rows

    def need(self, columns):
        """Checks that these are the columns, in this order."""
        if list(columns) != self.columns:
            wrong(f"{self.path}: the columns are {self.columns}, expected {list(columns)}")
        return list(columns) == self.columns


def same(a, b):
    """True if a and b are equal. Numbers of any type are compared by value."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b or (a == b and type(a) is type(b))
    if isinstance(a, datetime) and isinstance(b, datetime):
        return abs((a - b).total_seconds()) < 2e-6
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-12)
    return a == b


def moment(seconds):
    """Converts seconds since 1970 to the timestamp of the tables: UTC, without a time zone."""
    return None if seconds is None else datetime.fromtimestamp(round(seconds, 6), timezone.utc).replace(tzinfo=None)


def check_metrics(rows):
    """Checks every row of a metrics.parquet or curves.parquet, whose columns have been checked."""
    for row in rows.rows:
        where = f"{rows.path}: {row.get('trial', '')} epoch {row['epoch']} {row['split']}"
        if row["split"] not in ("train", "validation"):
            wrong(f"{where}: split is neither `train` nor `validation`")
        for column in NUMBERS:
            if not isinstance(row[column], (int, float)):
                wrong(f"{where}: {column} is {row[column]!r}")
                return False
        elbo = -row["recon_nats"] - row["kl_nats"]
        if math.isfinite(elbo) and not math.isclose(row["elbo_nats"], elbo, rel_tol=1e-9, abs_tol=1e-9):
            wrong(f"{where}: elbo_nats is {row['elbo_nats']}, -recon_nats - kl_nats is {elbo}")
        axes = row.get("kl_axis_nats")
        if axes and math.isfinite(row["kl_nats"]) and not math.isclose(sum(axes), row["kl_nats"], rel_tol=1e-5, abs_tol=1e-6):
            wrong(f"{where}: kl_axis_nats sums to {sum(axes)}, kl_nats is {row['kl_nats']}")
    keys = [(row.get("experiment"), row.get("trial"), row["epoch"], row["split"]) for row in rows.rows]
    if len(set(keys)) != len(keys):
        wrong(f"{rows.path}: more than one row for an epoch and split")
    return True


def check_trial(folder, record, row, curves):
    """Compares the row and curves of a trial with the files in its folder."""
    name = row["trial"]
    metrics_path = folder / "metrics.parquet"
    done = record["status"] == "done"
    if row["status"] == "running" and record["status"] != "running":
        wrong(f"{name}: the status is running in trials.parquet, and {record['status']} in trial.json")
    expected = dict(record["spec"])
    if row["status"] == record["status"]:
        fields = set(of_schema("trials.parquet")) & set(record) - NOT_IN_RECORD
        expected |= {field: record[field] for field in fields}
        expected |= {field: moment(record.get(field)) for field in ("started", "ended")}
    for key, value in expected.items():
        # Keys that are a number or a word have columns of text.
        if of_schema("trials.parquet").get(key) == "str" and isinstance(value, float):
            value = repr(value)
        if key not in row:
            if value is not None:
                wrong(f"{name}: trials.parquet has no column {key}")
        elif not same(row[key], value):
            wrong(f"{name}: {key} is {row[key]!r} in trials.parquet, {value!r} in trial.json")
    if done and (row["error"] is not None or not row["images_per_second"] or not row["peak_rss_mb"] or not row["parameters"]):
        wrong(f"{name}: is done, but has error {row['error']!r}, images_per_second {row['images_per_second']!r}, "
              f"peak_rss_mb {row['peak_rss_mb']!r}, parameters {row['parameters']!r}")

    if not metrics_path.is_file():
        if done:
            wrong(f"{name}: is done, but has no metrics.parquet")
        return 0
    metrics = read(metrics_path)
    if metrics is None or not metrics.need(of_schema("metrics.parquet")) or not check_metrics(metrics):
        return 0
    if not done and not curves:
        return 0
    order = lambda line: (line["epoch"], line["split"])
    ours, theirs = sorted(curves, key=order), sorted(metrics.rows, key=order)
    if [order(line) for line in ours] != [order(line) for line in theirs]:
        if done:
            wrong(f"{name}: curves.parquet has {len(ours)} rows, metrics.parquet {len(theirs)}, or their epochs differ")
        return 0
    for a, b in zip(ours, theirs):
        for column, value in b.items():
            if column not in a or not same(a[column], value):
                wrong(f"{name}: epoch {b['epoch']} {b['split']}: {column} is {a.get(column, 'missing')!r} in curves.parquet, "
                      f"{value!r} in metrics.parquet")
    if done:
        epochs = record["spec"].get("train.epochs")
        for split in ("train", "validation"):
            found = sorted(line["epoch"] for line in theirs if line["split"] == split)
            if epochs is not None and found != list(range(1, epochs + 1)):
                wrong(f"{name}: {split} has {len(found)} epochs, the spec {epochs}")
    return len(theirs)


def show(folder):
    """Prints a short table made by duckdb, and checks elbo_nats again in SQL."""
    trials, curves = quoted(folder / "trials.parquet"), quoted(folder / "curves.parquet")
    _, [[off]] = sql(f"""SELECT count(*) FROM read_parquet({curves})
        WHERE isfinite(elbo_nats) AND abs(elbo_nats + recon_nats + kl_nats) > 1e-9 * greatest(1, abs(elbo_nats))""")
    if off:
        wrong(f"{folder}: duckdb finds {off} rows of curves.parquet where elbo_nats is not -recon_nats - kl_nats")
    heads, rows = sql(f"""
        SELECT t.trial, t.status, t."model.latent_dim" AS latent, t."objective.kl_weight" AS kl_weight,
               max(c.epoch) AS epochs, arg_max(c.recon_nats, c.epoch) AS recon, arg_max(c.kl_nats, c.epoch) AS kl,
               arg_max(c.elbo_nats, c.epoch) AS elbo, arg_max(c.effective_beta, c.epoch) AS beta,
               t.parameters, round(t.images_per_second) AS images_s, t.seconds
        FROM read_parquet({trials}) t LEFT JOIN read_parquet({curves}) c ON c.trial = t.trial AND c.split = 'validation'
        GROUP BY ALL ORDER BY elbo DESC NULLS LAST, t.trial LIMIT 20""")
    cells = [[f"{v:.5g}" if isinstance(v, float) else "" if v is None else str(v) for v in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells)]
    for line in [heads, *cells]:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths)))


def check_folder(folder):
    trials = read(folder / "trials.parquet")
    curves = read(folder / "curves.parquet")
    if trials is None or curves is None:
        return
    if not (trials.need(of_schema("trials.parquet")) & curves.need(of_schema("curves.parquet"))) or not check_metrics(curves):
        return
    # Two experiments may contain the same trial.
    key = lambda row: (row["experiment"], row["trial"])
    keys = {key(row): [] for row in trials.rows}
    if len(keys) != len(trials.rows):
        wrong(f"{trials.path}: more than one row for a trial")
    for row in curves.rows:
        keys.setdefault(key(row), []).append(row)
    if len(keys) != len(trials.rows):
        wrong(f"{curves.path}: has trials that are not in trials.parquet")
    records = [(path.parent, json.loads(path.read_text())) for path in sorted(folder.rglob("trial.json"))]
    records = {(path.parent.name, record["trial"]): (path, record) for path, record in records}
    for name in sorted(set(records) ^ set(keys)):
        wrong(f"{trials.path}: {name} has no row, or no folder with a trial.json")
    compared = sum(check_trial(*records[key(row)], row, keys[key(row)]) for row in trials.rows if key(row) in records)
    _, counted = sql(f"SELECT status, count(*) FROM read_parquet({quoted(trials.path)}) GROUP BY ALL ORDER BY ALL")
    print(f"{folder}: {', '.join(f'{n} {status}' for status, n in counted)}; {len(trials.columns)} columns in "
          f"trials.parquet, {len(curves.columns)} in curves.parquet; {compared} rows of metrics compared")
    show(folder)


def check_scan(files):
    """Checks that all files of one name are one table: the same columns in the same order, with the same types."""
    first = pq.read_schema(files[0])
    for path in files[1:]:
        schema = pq.read_schema(path)
        if not schema.equals(first):
            other = sorted(set(map(str, schema)) ^ set(map(str, first))) or "the order differs"
            wrong(f"{path}: has different columns from {files[0]}: {other}")
    names = [str(path) for path in files]
    scans = {
        "pyarrow": lambda: pyarrow.dataset.dataset(names).to_table().num_rows,
        "pandas": lambda: len(pandas.read_parquet(names)),
        "polars": lambda: polars.scan_parquet(names).collect().height,
        "duckdb": lambda: len(sql(f"SELECT * FROM read_parquet([{', '.join(map(quoted, names))}])")[1]),
    }
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    for library, scan in scans.items():
        try:
            found = scan()
        except Exception as error:  # noqa: BLE001: any exception means that the library cannot scan the files
            wrong(f"{library} cannot scan {len(files)} {files[0].name} as one table: {str(error).splitlines()[0]}")
            continue
        if found != rows:
            wrong(f"{library} finds {found} rows in {len(files)} {files[0].name}, expected {rows}")
    print(f"{len(files)} {files[0].name} scanned as one table: {rows} rows, {len(first)} columns")


def main():
    if len(sys.argv) < 2:
        raise SystemExit("usage: python parquet_check.py RUNS_DIR [FURTHER_DIR...]")
    runs, *further = map(Path, sys.argv[1:])
    folders = sorted({path.parent for path in runs.rglob("trials.parquet")})
    if not folders:
        raise SystemExit(f"parquet_check: no trials.parquet in {runs}")
    # An experiment with a finished trial must have its tables.
    for record in sorted(runs.rglob("trial.json")):
        if record.parent.parent not in folders and json.loads(record.read_text())["status"] == "done":
            wrong(f"{record.parent.parent}: has a finished trial, but no trials.parquet")
    for folder in folders:
        check_folder(folder)
    for name in ("trials.parquet", "curves.parquet"):
        check_scan([*(folder / name for folder in folders), *(path for root in further for path in sorted(root.rglob(name)))])
    for problem in problems[:50]:
        print(f"WRONG {problem}")
    if problems:
        print(f"{len(problems)} problems")
        raise SystemExit(1)
    print("all agree")


if __name__ == "__main__":
    main()
