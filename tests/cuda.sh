#!/usr/bin/env bash
# CUDA without and with a GPU.
#
#   cuda.sh toolkit             prints a folder with nvcc for CUDA_PATH; installs it from wheels, if there is no nvcc 13
#   cuda.sh build [DIR]         builds the program with the feature `cuda` into DIR (default: target/cuda); the kernels are compiled for
#                               compute capabilities 8.0 and 9.0, with warnings as errors. Needs no GPU.
#   cuda.sh prepare [DIR]       `build`, and the tests
#   cuda.sh start PROGRAM       checks what a program with CUDA says on a machine without a GPU
#   cuda.sh run [DIR] [OPTION]  checks everything on a machine with a GPU, and compares the speed with PyTorch's. Needs what `prepare` made,
#                               this repository, and Python with PyTorch for CUDA 13. OPTION: of benches/gpu.py
#
# VAEX_CUDA_OPTIONS are more options for `cargo build`. `toolkit` keeps its files in $VAEX_CI_CACHE (default: ~/.cache/vaex-ci), and
# needs python3 with venv, and a C++ compiler for nvcc.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
cache=${VAEX_CI_CACHE:-${HOME:-/tmp}/.cache/vaex-ci}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'cuda.sh: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

toolkit() {
    local nvcc version folder=$cache/cuda
    if nvcc=$(command -v nvcc); then
        version=$(nvcc --version)
        if [[ $version == *'release 13'* ]]; then
            dirname "$(dirname "$(readlink -f "$nvcc")")"
            return
        fi
    fi
    if [ ! -d "$folder" ]; then
        say "installing nvcc"
        mkdir -p "$cache"
        python3 -m venv "$work/venv" >&2
        # Of one version: the compiler, its optimizer, and the headers. The folder gets its name when it is complete.
        "$work/venv/bin/pip" install --quiet --no-deps --target "$work/cuda" 'nvidia-cuda-nvcc==13.0.88' 'nvidia-nvvm==13.0.88' \
            'nvidia-cuda-crt==13.0.88' 'nvidia-cuda-runtime==13.0.96' >&2 ||
            fail "nvcc was not installed; it needs python3 with venv and the package index, or install the CUDA toolkit 13"
        chmod -R u+x "$work/cuda/nvidia/cu13/bin" "$work/cuda/nvidia/cu13/nvvm/bin"
        rm -rf "$folder.new"
        mv "$work/cuda" "$folder.new"
        mv "$folder.new" "$folder"
    fi
    printf '%s\n' "$folder/nvidia/cu13"
}

build() {
    local folder=${1:-target/cuda}
    CUDA_PATH=$(toolkit)
    export CUDA_PATH NVCC_APPEND_FLAGS='-Werror all-warnings'
    cargo build --release --features cuda ${VAEX_CUDA_OPTIONS:-}
    mkdir -p "$folder"
    cp "${CARGO_TARGET_DIR:-target}/release/vaex" "$folder/vaex"
    strip "$folder/vaex"
    say "$folder/vaex: $(stat -c %s "$folder/vaex") bytes, $(gzip -c "$folder/vaex" | wc -c) with gzip"
}

prepare() {
    local folder=${1:-target/cuda} tests
    build "$folder"
    cargo test --release --features cuda --no-run --test it --message-format=json-render-diagnostics >"$work/messages"
    tests=$(sed -n 's/.*"executable":"\([^"]*\/it-[^"]*\)".*/\1/p' "$work/messages" | tail -n 1)
    cp "$tests" "$folder/it"
    strip "$folder/it"
}

# A GPU run that must be refused: with status 2 and one sentence, before anything starts.
refused() {
    local program=$1 reason=$2 said status=0
    said=$("$program" run experiments/smoke.toml --device cuda --runs "$work/refused" 2>&1) || status=$?
    [ "$status" = 2 ] || fail "status $status: $said"
    # After warnings of the spec.
    [[ $said == *"error: \`train.device\` of \`smoke\` is \"cuda\", but $reason"$'\n'* ]] || fail "$said"
    [ ! -e "$work/refused" ] || fail "something was started"
    say "refused as it must be: $reason"
}

start() {
    local program=$1 said reason='there is no NVIDIA driver: libcuda.so cannot be opened'
    "$program" --version >/dev/null
    said=$("$program" devices)
    if [[ $said != *"none: $reason"* ]]; then
        say "not tested without a driver, because there is one: $said"
        return
    fi
    refused "$program" "$reason"
}

# The libraries of PyTorch, unless the program finds others.
libraries() {
    local said folder
    said=$("$1" devices)
    if [[ $said == *libcublas* ]]; then
        folder=$(python3 -c 'import importlib.util as u; print(*u.find_spec("nvidia").submodule_search_locations, sep="\n")' | head -n 1)/cu13/lib
        [ -d "$folder" ] || fail "libcublas.so.13 was not found, also not in $folder; name its folder in LD_LIBRARY_PATH"
        export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        said=$("$1" devices)
    fi
    printf '%s\n' "$said"
    [[ $said == *$'\ncuda  0: '* ]] || fail "there is no GPU to run on"
}

# Kills a run and its trial once the trial has ended an epoch.
kill_after() {
    local epoch=$1 process
    shift
    setsid "$@" --json >"$work/events" 2>"$work/log" &
    process=$!
    until grep -q "\"event\":\"epoch\".*\"epoch\":$epoch[,}]" "$work/events"; do
        kill -0 "$process" || fail "the run ended before epoch $epoch: $(cat "$work/log")"
        sleep 0.02
    done
    kill -KILL -- "-$process"
    wait "$process" || true
}

run() {
    local folder vaex said test tool
    folder=$(cd "${1:-target/cuda}" && pwd)
    vaex=$folder/vaex
    shift || true
    export VAEX_CACHE=$work/prepared
    libraries "$vaex"
    # Its libraries are not to be found, or there is no GPU: a sentence.
    CUDA_VISIBLE_DEVICES='' refused "$vaex" 'there is no NVIDIA GPU that this process may use (CUDA_VISIBLE_DEVICES may hide it)'

    say "the tests of the emulated card, on this one"
    local tests=(card::noise card::images_have card::activations gradients::a_card gradients::tf32 networks::a_card objectives::
        training::all_backends training::a_device training::every_optimizer)
    VAEX_TEST_GPU=1 "$folder/it" --test-threads 1 --include-ignored "${tests[@]}" | tee "$work/tests"
    for test in "${tests[@]}"; do
        grep -q "^test $test.* ok$" "$work/tests" || fail "there is no test $test"
    done

    say "smoke"
    "$vaex" run experiments/smoke.toml --device cuda --runs "$work/runs"
    "$vaex" run experiments/smoke.toml --device cuda --set train.precision=tf32 --runs "$work/tf32"

    say "equal runs, and one that is killed twice"
    cat >"$work/kill.toml" <<'SPEC'
name = "kill"
[train]
epochs = 120
batch_size = 64
device = "cuda"
SPEC
    "$vaex" run "$work/kill.toml" --runs "$work/whole" >"$work/log"
    "$vaex" run "$work/kill.toml" --runs "$work/again" >"$work/log"
    kill_after 20 "$vaex" run "$work/kill.toml" --runs "$work/killed"
    kill_after 60 "$vaex" run "$work/kill.toml" --runs "$work/killed"
    said=$("$vaex" run "$work/kill.toml" --runs "$work/killed")
    [[ $said == *'resuming after epoch'* ]] || fail "the killed run did not resume: $said"
    for other in again killed; do
        cmp "$work"/whole/kill/*/model.safetensors "$work/$other"/kill/*/model.safetensors
    done
    grep -A4 '"gpu"' "$work"/whole/kill/*/trial.json

    if command -v compute-sanitizer >/dev/null; then
        for tool in memcheck racecheck synccheck; do
            say "compute-sanitizer: $tool"
            compute-sanitizer --tool "$tool" --target-processes all --error-exitcode 9 "$vaex" run experiments/smoke.toml \
                --device cuda --runs "$work/$tool" >"$work/log" 2>&1 || { cat "$work/log"; fail "$tool found errors"; }
            # One of the run, and one of each trial.
            said=$(grep -c 'SUMMARY' "$work/log" || true)
            [ "$said" -gt 1 ] || fail "$tool did not look at the trials"
        done
    else
        say "compute-sanitizer: skipped, it is not installed"
    fi

    say "speed"
    python3 benches/gpu.py "$vaex" "$@"
}

case ${1:-} in
start)
    [ -x "${2:-}" ] || fail "start needs a program"
    start "$2"
    ;;
run)
    [ -x "${2:-target/cuda}/vaex" ] || fail "there is no ${2:-target/cuda}/vaex: cuda.sh prepare ${2:-target/cuda}"
    "$@"
    ;;
toolkit | build | prepare) "$@" ;;
*) fail "usage: cuda.sh toolkit | build [DIR] | prepare [DIR] | start PROGRAM | run [DIR] [OPTION...]" ;;
esac
