#!/usr/bin/env bash
# check-units.sh: has systemd read the units in ops/systemd, and rate what each of them leaves its process to do: from 0 to
# 10, of which 2.0 is allowed. Nothing is installed or started.
#
# check-units.sh --missing: prints what that needs and does not find, if anything.
set -euo pipefail
cd "$(dirname "$0")/.."

# In tenths.
exposure_max=20

missing() {
    if ! command -v systemd-analyze > /dev/null; then
        echo "the command systemd-analyze"
    elif [ "$(systemd-analyze --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')" -lt 250 ]; then
        echo "systemd 250 or newer"
    fi
}

case "${1-}" in
    '') ;;
    --missing) missing; exit ;;
    *) echo "usage: ops/check-units.sh [--missing]" >&2; exit 2 ;;
esac
lacking="$(missing)"
if [ -n "$lacking" ]; then
    echo "error: this needs $lacking" >&2
    exit 1
fi

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cp -r ops/systemd/. "$folder"
# The programs need not be installed here.
sed -i -E 's#^ExecStart=[^ ]+#ExecStart=/bin/true#' "$folder"/*.service

echo "systemd-analyze verify"
# What systemd does not understand it only mentions. Before 254 it does not know the two lines about longer waits.
said="$(systemd-analyze verify --man=no "$folder"/*.service 2>&1 || echo "meta-integration: verify failed")"
wrong="$(grep meta-integration <<< "$said" | grep -vE "Unknown key '(RestartSteps|RestartMaxDelaySec)' in section" || true)"
if [ -n "$wrong" ]; then
    printf '%s\n' "$said" >&2
    exit 1
fi

for unit in "$folder"/*.service; do
    # A template is rated by one of its instances.
    name="$(basename "${unit/@.service/@9402.service}")"
    report="$(cd "$folder" && systemd-analyze security --offline=true --no-pager --threshold=$exposure_max "./$name" 2>&1)" || {
        printf '%s\n' "$report" >&2
        echo "error: $name leaves its process too much to do" >&2
        exit 1
    }
    grep 'Overall exposure' <<< "$report"
done
