#!/bin/sh
# redis.sh [PRIMARY]: starts a Redis server of the set; without a file of its own yet, as a replica of PRIMARY if there is one.
#
# The sentinels let a server write into its file whether it is a replica, and of whom. That line is kept, everything else comes
# from the shipped files: a set that was stopped as a whole starts again with the primary that it had. A server that forgot
# that it had become the primary would copy an old one, and lose what was stored since.
set -eu
umask 077
file=/data/redis.conf
if [ -e "$file" ]; then
    role="$(grep '^replicaof ' "$file" || true)"
else
    role="${1:+replicaof $1 6379}"
fi
{
    cat /etc/redis/redis.conf
    printf 'masteruser replica\nmasterauth %s\n' "$(cat /run/secrets/redis-password-replica)"
    # A primary that no replica copies refuses writes, because they would be lost if another server was made the primary.
    printf 'min-replicas-to-write 1\nmin-replicas-max-lag 10\n'
    # The others know it by its name, because its address may change.
    printf 'replica-announce-ip %s\n%s\n' "$(hostname)" "$role"
} > "$file.new"
mv "$file.new" "$file"
exec redis-server "$file"
