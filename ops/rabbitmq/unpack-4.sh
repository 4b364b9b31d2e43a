#!/usr/bin/env bash
# unpack-4.sh FOLDER: unpacks Debian 13's RabbitMQ 4 and its Erlang into FOLDER, so that tests on Debian 12 can use it
# beside the installed version. It changes nothing outside FOLDER, but installs the package patchelf if it is missing.
set -euo pipefail

folder="$(realpath -m "${1:?usage: unpack-4.sh FOLDER}")"
root="$folder/root"
work="$folder/apt"
mkdir -p "$root" "$work"/{sources,preferences,lists/partial,archives/partial,debs}
: > "$work/status"

if ! command -v patchelf > /dev/null; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=600 install -y -qq patchelf
fi

# Uses the mirror of this machine, with the name of the next release.
mirror="$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list* 2> /dev/null | head -1 | tr -d ' ' || true)"
[ -n "$mirror" ] || { echo "error: no Debian mirror is configured in /etc/apt" >&2; exit 1; }
cat > "$work/sources/next.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
cat > "$work/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/sources";
Dir::Etc::preferencesparts "$work/preferences";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache::archives "$work/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
CONF
export APT_CONFIG="$work/apt.conf"
apt-get update -qq

erlang=(base crypto public-key asn1 ssl inets mnesia os-mon runtime-tools tools xmerl eldap parsetools syntax-tools)
libraries=(libc6 libgcc-s1 libstdc++6 libtinfo6 zlib1g libzstd1 libssl3t64 libsystemd0 libcap2)
(cd "$work/debs" && apt-get download -qq rabbitmq-server "${erlang[@]/#/erlang-}" "${libraries[@]}")
for package in "$work"/debs/*.deb; do
    dpkg-deb --extract "$package" "$root"
done

# Makes the programs use the loader and the libraries in FOLDER, not those of the older system around them.
libraries="$root/usr/lib/x86_64-linux-gnu"
find "$root/usr/lib/erlang" -type f -print0 | while IFS= read -r -d '' file; do
    [ "$(head -c 4 "$file" | od -An -c | tr -d ' ')" = '177ELF' ] || continue
    case "$file" in
        *.so) patchelf --force-rpath --set-rpath "$libraries" "$file" ;;
        *) patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" "$file" ;;
    esac
done
sed -i "s#=/usr/lib/erlang#=$root/usr/lib/erlang#" \
    "$root"/usr/lib/erlang/bin/{erl,start} "$root"/usr/lib/erlang/erts-*/bin/erl
rm -rf "$work"
touch "$root/complete"
echo "RabbitMQ 4 is in $root"
