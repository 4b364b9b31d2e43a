#!/usr/bin/env bash
# What check-package.sh runs in a fresh Debian, as root, with /root/package.deb and /root/hello.json.
set -euo pipefail
cd /root

say() { printf '   %s\n' "$*"; }
fail() { echo "error: $*" >&2; exit 1; }
# eventually WHAT COMMAND...: waits until the command succeeds.
eventually() {
    local what="$1" try; shift
    for try in $(seq 300); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "this did not happen: $what"
}

dpkg --install package.deb > installed.log 2>&1 || { cat installed.log >&2; fail "it can't be installed"; }
grep -q 'ops init /etc/meta-integration' installed.log || fail "nobody is told what to do next"
say "installed: $(dpkg-query --show --showformat '${Package} ${Version}, ${Installed-Size} KiB' meta-integration)"
ops --version > /dev/null
for file in /usr/share/man/man1/ops-init.1.gz /usr/share/bash-completion/completions/ops \
    /usr/share/doc/meta-integration/copyright /usr/share/doc/meta-integration/docs/configuration.md \
    /usr/share/doc/meta-integration/examples/settings.env; do
    [ -s "$file" ] || fail "$file is missing"
done

# Before 254, systemd does not know the two lines about longer waits.
units=(/usr/lib/systemd/system/meta-integration-*.service)
said="$(systemd-analyze verify --man=no "${units[@]}" 2>&1 || echo "meta-integration: verify failed")"
wrong="$(grep meta-integration <<< "$said" | grep -vE "Unknown key '(RestartSteps|RestartMaxDelaySec)' in section" || true)"
[ -z "$wrong" ] || fail "systemd says: $wrong"
say "systemd reads its ${#units[@]} units"

echo app-secret-of-meta > app-secret
echo token-for-dsk > dsk-token
ops init /etc/meta-integration --dsk-url http://127.0.0.1:9100/events --app-secret-file app-secret < /dev/null > init.log ||
    { cat init.log >&2; fail "ops init fails"; }
systemctl enable --quiet meta-integration-standalone
[ -L /etc/systemd/system/multi-user.target.wants/meta-integration-standalone.service ] || fail "it can't be enabled"
say "set up by ops init, enabled"

# As systemd would: a user without rights, its own copies of the secrets, its state, and nothing else that can be written.
secrets=/etc/meta-integration/secrets
credentials=/run/credentials/meta-integration-standalone.service
unit=/usr/lib/systemd/system/meta-integration-standalone.service
mkdir -p "$credentials"
sed -nE 's/^LoadCredential=([^:]+):(.+)$/\1 \2/p' "$unit" | while read -r name file; do
    install -m 400 -o nobody "$file" "$credentials/$name"
done
chown nobody "$credentials"
chown -R nobody /var/lib/meta-integration
command="$(sed -e ':a' -e '/\\$/{N;s/\\\n//;ba}' "$unit" | sed -nE 's/^ExecStart=//p')"
(
    set -a; . /etc/meta-integration/settings.env; set +a
    export CREDENTIALS_DIRECTORY="$credentials"
    eval "exec setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set=-all --no-new-privs $command"
) > standalone.log 2>&1 &
service=$!
set -a; . /etc/meta-integration/settings.env; set +a
eventually "it listens" grep -q 'Admin port listens on' standalone.log
ops dsk --token-file dsk-token --signing-secret-file "$secrets/signing-secret" > dsk.log 2>&1 &
eventually "DSK listens" grep -q 'Playing DSK' dsk.log
ops channels add whatsapp:100000000000001 --tenant acme --dsk-token-file dsk-token > /dev/null
ops webhook send hello.json > /dev/null
eventually "DSK has the event" grep -q 'whatsapp.message' dsk.log
ops doctor > doctor.log || { cat doctor.log >&2; fail "ops doctor complains"; }
kill -TERM "$service"
wait "$service" || { cat standalone.log >&2; fail "it does not end well"; }
say "started as its unit starts it, delivered, stopped"

dpkg --remove meta-integration > removed.log 2>&1 || { cat removed.log >&2; fail "it can't be removed"; }
for left in /usr/bin/ops /usr/libexec/meta-integration "${units[@]}" \
    /etc/systemd/system/multi-user.target.wants/meta-integration-standalone.service; do
    [ ! -e "$left" ] && [ ! -L "$left" ] || fail "$left is left"
done
dpkg --purge meta-integration > purged.log 2>&1 || { cat purged.log >&2; fail "it can't be purged"; }
grep -q '/var/lib/meta-integration stays' purged.log || fail "nobody is told what stays"
[ -s "$secrets/key-ring" ] && [ -s /var/lib/meta-integration/channels.db ] || fail "keys or channels were deleted"
say "removed; keys, channels and events stay"
