#!/usr/bin/env bash
# Builds and checks the release archive of one target: vaex-VERSION-TARGET.tar.gz and its SHA-256, in the folder `dist` of cargo's
# target folder.
#
#   build.sh TARGET [TAG]     TARGET: x86_64-unknown-linux-musl or aarch64-unknown-linux-musl
#
# With a TAG, it must be `v` and the version of Cargo.toml, the sources must be those of a commit, and the changelog must say that the
# version is released.
#
# The C library is the musl of rustup's target, and the linker is Rust's; zig compiles the C code of crates, for either processor. Needs
# rustup's target, python3 with venv, git and readelf; tools are installed into $VAEX_CI_CACHE (default: ~/.cache/vaex-ci). To run a
# program of the other processor, Linux must know an emulator for it, as it does where Debian's qemu-user-static and binfmt-support are
# installed. As root, or where sudo asks for no password, the program is also run in a root folder that has nothing but the archive.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

target=$1 tag=${2:-}
cache=${VAEX_CI_CACHE:-${HOME:-/tmp}/.cache/vaex-ci}/packaging
out=${CARGO_TARGET_DIR:-target}
mkdir -p "$cache" "$out/dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }
fail() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

version=$(cargo pkgid --offline 2>"$work/pkgid" || cargo pkgid)
version=${version##*[#@]}
if [ -n "$tag" ]; then
    [ "$tag" = "v$version" ] || fail "the tag is $tag, but the version of Cargo.toml is $version"
    grep -q "^## $version" CHANGELOG.md || fail "CHANGELOG.md has no section for $version"
    ! grep -q "^## $version, not released" CHANGELOG.md || fail "CHANGELOG.md says that $version is not released"
fi

step "tools"
"$cache/python/bin/pip" --version >"$work/pip" 2>&1 || python3 -m venv --clear "$cache/python"
"$cache/python/bin/pip" install --quiet -r packaging/requirements.txt
about=0.9.3
[[ $("$cache/bin/cargo-about" --version 2>"$work/about") == *" $about" ]] ||
    CARGO_TARGET_DIR="$cache/target" cargo install --quiet --locked --features cli --root "$cache" "cargo-about@$about"
export PATH="$cache/bin:$PATH"

step "build for $target"
# `zig cc` under the names that the build scripts of crates know: it has its own word for the target, and by default it adds checks
# that need a library of its own.
cat >"$cache/$target-cc" <<END
#!/usr/bin/env bash
# The C compiler for $target.
for argument; do
    shift
    [[ \$argument == --target=* ]] || set -- "\$@" "\$argument"
done
exec "$cache/python/bin/python" -m ziglang cc -target ${target%%-*}-linux-musl -fno-sanitize=undefined "\$@"
END
printf '#!/bin/sh\n# The archiver of the C compiler.\nexec "%s" -m ziglang ar "$@"\n' "$cache/python/bin/python" >"$cache/ar"
chmod +x "$cache/$target-cc" "$cache/ar"
variable=${target//-/_}
export "CC_$variable=$cache/$target-cc" "AR_$variable=$cache/ar" "CARGO_TARGET_${variable^^}_LINKER=rust-lld"
# Neither symbols nor folders of this machine.
export CARGO_PROFILE_RELEASE_STRIP=symbols
export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=registry --remap-path-prefix=$PWD=vaex"
cargo build --release --locked --target "$target"
program="$out/$target/release/vaex"
name=vaex-$version-$target
folder=$work/$name
mkdir "$folder"
cp "$program" "$folder/vaex"
! readelf -ldW "$program" | grep -E 'INTERP|NEEDED' || fail "the program is not static"
! grep -qF -e "$PWD" -e "${CARGO_HOME:-$HOME/.cargo}" "$program" || fail "the program names folders of this machine"
built=$("$folder/vaex" --version) || fail "the program does not run here; for another processor, see the head of this script"
printf '%s\n' "$built"
[ -z "$tag" ] || [[ $built == "vaex $version ("*')' && $built != *modified* ]] || fail "$tag is built of sources that are not committed"

step "licences"
accepted() { sed -n "/^$1 = \[/,/^\]/s/^ *\(\".*\"\),.*/\1/p" "$2" | sort; }
diff <(accepted allow deny.toml) <(accepted accepted packaging/about.toml) ||
    fail "packaging/about.toml and deny.toml accept different licences"
mkdir "$folder/licenses"
cargo about generate --locked --fail --format json --target "$target" -c packaging/about.toml -o "$work/about.json"
"$cache/python/bin/python" packaging/notices.py <"$work/about.json" >"$folder/licenses/crates.txt"
# What is linked into the program and is no crate.
zig=$("$cache/python/bin/python" -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))')
cp "$zig/lib/libc/musl/COPYRIGHT" "$folder/licenses/musl.txt"
cp "$zig/lib/libunwind/LICENSE.TXT" "$folder/licenses/libunwind.txt"
cp "$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html" "$folder/licenses/rust-standard-library.html"
cp src/data/source/fashion-mini/LICENSE "$folder/licenses/fashion-mnist.txt"
cat src/report/page/vendor/{NOTICE,LICENSE} >"$folder/licenses/echarts.txt"

step "archive"
cp LICENSE README.md CHANGELOG.md packaging/Dockerfile packaging/vaex.def "$folder"
git ls-files -z docs experiments schemas | xargs -0 cp --parents -t "$folder"
mkdir "$folder/completions" "$folder/man"
"$folder/vaex" man >"$folder/man/vaex.1"
"$folder/vaex" completions bash >"$folder/completions/vaex.bash"
"$folder/vaex" completions zsh >"$folder/completions/_vaex"
"$folder/vaex" completions fish >"$folder/completions/vaex.fish"
chmod -R u=rwX,go=rX "$folder"
# The same bytes whenever it is made.
time=$(git log -1 --format=%ct 2>"$work/git" || date +%s)
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" --format=ustar -c "$name" | gzip -9n >"$out/dist/$name.tar.gz"
(cd "$out/dist" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")

step "the archive, unpacked"
mkdir "$work/unpacked"
(cd "$out/dist" && sha256sum --check --quiet "$name.tar.gz.sha256")
tar -C "$work/unpacked" -xzf "$out/dist/$name.tar.gz"
folder=$work/unpacked/$name
# The spec states its results: `run` ends with status 1 if they differ.
(cd "$folder" && env -i HOME="$work" ./vaex run experiments/smoke.toml --runs "$work/runs")

step "in a root folder that has nothing else"
if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo -n); fi
if "${as_root[@]}" true; then
    mkdir "$folder/proc" "$folder/tmp"
    "${as_root[@]}" env -i PATH="$PATH" unshare --mount --pid --fork bash -c 'mount -t proc proc "$1/proc" && exec chroot "$@"' bash \
        "$folder" /vaex run /experiments/smoke.toml --runs /tmp/runs
    "${as_root[@]}" rm -rf "$folder"
else
    printf 'left out: it needs root\n'
fi

step "done"
(cd "$out/dist" && ls -l "$name.tar.gz" && cat "$name.tar.gz.sha256")
