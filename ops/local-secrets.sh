#!/usr/bin/env bash
# local-secrets.sh [FOLDER]: creates every secret that docker-compose.yml mounts, in local/. Existing files are kept, and
# made readable for the containers. Run it again after you have put a file there.
set -euo pipefail
umask 077
here="$(realpath "$(dirname "$0")")"
folder="${1-$here/../local}"
# Nobody else on this machine can enter the folder. The files in it are readable by everybody, because a container sees a
# file with the owner and mode that it has here, and runs as another user.
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

made=()
# keep FILE COMMAND...: writes the output of COMMAND to FILE, completely or not at all, unless FILE exists.
keep() {
    local file="$1"; shift
    if [ ! -s "$file" ]; then
        "$@" > "$file.new"
        mv "$file.new" "$file"
        made+=("$file")
    fi
    share "$file"
}
# place FILE: creates an empty FILE unless it exists. Connect does not use an app without a secret.
place() { [ -e "$1" ] || : > "$1"; share "$1"; }
# share FILE: lets the containers read FILE. The target of a link lies in another folder, where everybody could read it
# then, so it stays as it is.
share() {
    if [ ! -L "$1" ]; then
        chmod 644 "$1"
    else
        echo "$1 is a link: put a copy in its place, or the containers may be unable to read it." >&2
    fi
}
random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }
# As `ops keys new` prints it.
key() { printf 'bound:'; random; }
# For passwords in URLs.
random_hex() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# with TEMPLATE WORD VALUE...: prints the template with each VALUE in place of its WORD. The shell itself inserts the values,
# because the arguments of another program would show them.
with() {
    local text
    text="$(grep -v '^#' "$here/$1")"; shift
    while [ $# -gt 0 ]; do
        text="${text//"$1"/"$2"}"; shift 2
    done
    printf '%s\n' "$text"
}
sha256() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

keep key-ring key
keep signing-secret printf 'whsec_%s\n' "$(head -c 32 /dev/urandom | base64)"
keep verify-token random_hex
keep app-secret random_hex
keep dsk-token random_hex
keep connect-secret random_hex
keep connect-api-keys random_hex
place meta-app-secret
place instagram-app-secret
keep grafana-password random_hex
keep erlang-cookie random_hex

# One user for each process, with no more rights than it needs.
for user in ingest dispatcher ops; do
    keep "rabbitmq-password-$user" random_hex
    keep "queue-url-$user" printf 'amqp://%s:%s@rabbitmq:5672/meta' "$user" "$(cat "rabbitmq-password-$user")"
    # For ops/cluster.
    keep "queue-url-$user-cluster" printf 'amqp://%s:%s@rabbitmq:5672,rabbitmq-2:5672,rabbitmq-3:5672/meta' \
        "$user" "$(cat "rabbitmq-password-$user")"
done
keep rabbitmq-users with rabbitmq/users.json \
    INGEST_PASSWORD "$(cat rabbitmq-password-ingest)" \
    DISPATCHER_PASSWORD "$(cat rabbitmq-password-dispatcher)" \
    OPS_PASSWORD "$(cat rabbitmq-password-ops)"

# For ops/cluster: replicas copy their primary, and sentinels watch the servers. `service` is our processes at a sentinel.
for user in replica sentinel service; do
    keep "redis-password-$user" random_hex
done
for user in dispatcher connect ops; do
    keep "redis-password-$user" random_hex
    keep "channels-url-$user" printf 'redis://%s:%s@redis:6379/0' "$user" "$(cat "redis-password-$user")"
    keep "channels-url-$user-cluster" printf 'redis+sentinel://%s:%s@%s/channels/0?sentinel_user=service&sentinel_password=%s' \
        "$user" "$(cat "redis-password-$user")" sentinel:26379,sentinel-2:26379,sentinel-3:26379 \
        "$(cat redis-password-service)"
done
# users TEMPLATE: the users of Redis in it, with the hashes of their passwords.
users() {
    with "$1" \
        DISPATCHER_PASSWORD_SHA256 "$(sha256 "$(cat redis-password-dispatcher)")" \
        CONNECT_PASSWORD_SHA256 "$(sha256 "$(cat redis-password-connect)")" \
        OPS_PASSWORD_SHA256 "$(sha256 "$(cat redis-password-ops)")" \
        REPLICA_PASSWORD_SHA256 "$(sha256 "$(cat redis-password-replica)")" \
        SENTINEL_PASSWORD_SHA256 "$(sha256 "$(cat redis-password-sentinel)")"
}
users_of_set() { users redis/users.acl; users cluster/redis-users.acl; }
keep redis-acl users redis/users.acl
keep redis-acl-cluster users_of_set
keep sentinel-users with cluster/sentinel-users.conf \
    SENTINEL_PASSWORD "$(cat redis-password-sentinel)" \
    SERVICE_PASSWORD "$(cat redis-password-service)"

# An operator provides these, for the proxies. openssl writes a key that only its owner can read.
for file in tls-certificate tls-key meta-ca; do
    [ ! -e "$file" ] || share "$file"
done
# `ops channels export` writes into this folder, as the user of its container or as the one that --user names.
mkdir -p backups
chmod 777 backups

if [ ${#made[@]} -gt 0 ]; then
    echo "Created in $(basename "$PWD")/: ${made[*]}"
    echo "Before you connect Meta and DSK, put what they gave you into app-secret and dsk-token. For the pages of"
    echo "connect, put the secrets of your apps into meta-app-secret, instagram-app-secret or both."
else
    echo "Every secret exists. To change one, delete it (and the files that contain it) and run this script again."
fi
