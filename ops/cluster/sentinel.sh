#!/bin/sh
# sentinel.sh: starts a sentinel. Its file is made once, because the sentinel keeps in it which server is the primary. To make
# it again with other settings or passwords, remove the files of all three while none of them runs, and while the primary is
# the one that sentinel.conf names.
set -eu
umask 077
file=/data/sentinel.conf
if [ ! -e "$file" ]; then
    {
        cat /etc/redis/sentinel.conf /run/secrets/sentinel-users
        printf 'sentinel announce-ip %s\n' "$(hostname)"
    } > "$file.new"
    mv "$file.new" "$file"
fi
exec redis-server "$file" --sentinel
