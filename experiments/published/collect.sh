#!/bin/sh
# Copies the results of published experiments, without weights and pictures, to the folder results beside this script, and writes
# docs/published.md from them. Needs vaex on the PATH, and cargo.
#
#   collect.sh RUNS NAME...      RUNS is the folder of `vaex run --runs`, NAME the name of an experiment in it
set -eu
runs=$1
shift
results=$(dirname "$0")/results

# relative FILE: paths in a plan.json or trial.json begin with this project, and its checksum is that of the new text.
relative() {
    zeros=$(printf '%064d' 0)
    sed -i -e 's|"[^"]*/experiments/published/|"experiments/published/|' -e "s|\"checksum\": \"[0-9a-f]*\"|\"checksum\": \"$zeros\"|" "$1"
    sum=$(sha256sum <"$1" | cut -d ' ' -f 1)
    sed -i "s|\"checksum\": \"$zeros\"|\"checksum\": \"$sum\"|" "$1"
}

for name; do
    # Before the earlier results are removed.
    [ -e "$runs/$name/plan.json" ] || { echo "collect.sh: $runs/$name has no plan.json" >&2; exit 1; }
    rm -rf "${results:?}/$name"
    mkdir -p "$results/$name"
    cp "$runs/$name/plan.json" "$results/$name/"
    relative "$results/$name/plan.json"
    for record in "$runs/$name"/*/trial.json; do
        trial=$(dirname "$record")
        folder=$results/$name/$(basename "$trial")
        mkdir "$folder"
        for file in trial.json metrics.parquet evaluation.json; do
            [ ! -e "$trial/$file" ] || cp "$trial/$file" "$folder/"
        done
        relative "$folder/trial.json"
    done
    vaex report "$results/$name" --format parquet >/dev/null || [ $? -eq 1 ]
done
VAEX_WRITE_DOCS=1 cargo test --release --test it published
