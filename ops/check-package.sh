#!/usr/bin/env bash
# check-package.sh [--built]: builds the Debian package, installs it in a Debian of its own (debootstrap, from this machine's
# own mirror), sets that one up with `ops init`, starts the service as its unit does, sends a notification through it, and
# removes the package again. With --built the programs are not built first.
#
# check-package.sh --missing: prints what that needs and does not find, if anything.
set -euo pipefail
cd "$(dirname "$0")/.."

mirror() { grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list* 2> /dev/null | head -1 | tr -d ' ' || true; }

missing() {
    [ "$(id -u)" = 0 ] || echo "root's rights"
    command -v debootstrap > /dev/null || echo "the command debootstrap"
    command -v dpkg-shlibdeps > /dev/null || echo "the command dpkg-shlibdeps"
    command -v ip > /dev/null || echo "the command ip"
    [ -n "$(mirror)" ] || echo "a mirror of Debian in /etc/apt"
    unshare --mount --pid --fork --net true 2> /dev/null || echo "the right to mount"
}

built=()
case "${1-}" in
    '') ;;
    --built) built=(--built) ;;
    --missing) missing; exit ;;
    *) echo "usage: ops/check-package.sh [--built | --missing]" >&2; exit 2 ;;
esac
lacking="$(missing)"
if [ -n "$lacking" ]; then
    echo "error: this needs ${lacking//$'\n'/, }" >&2
    exit 1
fi

package="$(ops/package.sh "${built[@]}")"
codename="$(. /etc/os-release && echo "$VERSION_CODENAME")"
base="target/debian/$codename.tar"
root="$(mktemp -d "$PWD/target/debian/root.XXXXXX")"
trap 'rm -rf "$root"' EXIT

# systemd reads the units there, and curl plays the neighbours. What was fetched once is kept.
if [ ! -e "$base" ]; then
    debootstrap --variant=minbase --include=ca-certificates,systemd "$codename" "$root" "$(mirror)" > "$base.log" 2>&1 ||
        { tail -20 "$base.log" >&2; exit 1; }
    tar --create --file "$base.new" --directory "$root" --one-file-system .
    mv "$base.new" "$base"
else
    tar --extract --file "$base" --directory "$root"
fi
cp "$package" "$root/root/package.deb"
cp docs/hello.json ops/check-package-inside.sh "$root/root/"

# A process table, mounts and a network of its own: whatever is left running ends with it, and nothing leaves this machine.
unshare --mount --pid --fork --kill-child --net bash -euc '
    mount -t proc proc "$1/proc"
    ip link set lo up
    exec chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin bash /root/check-package-inside.sh
' inside "$root"
