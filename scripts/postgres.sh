#!/bin/sh
# A PostgreSQL for tests: its own data in DIR, on a free port of loopback, without fsync.
#   scripts/postgres.sh start DIR    prints postgresql://…; DIR must not exist or be empty
#   scripts/postgres.sh start-durable DIR    the same with fsync, for measurements
#   scripts/postgres.sh stop DIR
# It is installed from Debian's packages if it is missing and we may. Root starts it as another user.
set -eu

fail() { echo "postgres.sh: $*" >&2; exit 1; }

find_programs() {
    for one in "$(command -v pg_ctl || true)" /usr/lib/postgresql/*/bin/pg_ctl; do
        if [ -x "$one" ]; then
            dirname "$(readlink -f "$one")"
            return
        fi
    done
}

as_owner() {
    if [ "$(id -u)" = 0 ]; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

install() {
    [ "$(id -u)" = 0 ] || fail "PostgreSQL is not installed: apt-get install postgresql"
    command -v apt-get > /dev/null || fail "PostgreSQL is not installed, and there is no apt-get"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends postgresql; } >&2 ||
        fail "apt-get could not install postgresql"
}

[ $# = 2 ] || fail "usage: postgres.sh start|start-durable|stop DIR"
action=$1
dir=$2
programs=$(find_programs)
if [ -z "$programs" ]; then
    install
    programs=$(find_programs)
    [ -n "$programs" ] || fail "PostgreSQL was installed and pg_ctl was not found"
fi

case $action in
start|start-durable)
    fsync=off
    [ "$action" = start ] || fsync=on
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    if [ "$(id -u)" = 0 ]; then
        id postgres > /dev/null 2>&1 || useradd --system --shell /bin/sh postgres
        chown postgres "$dir"
        # The folders above belong to somebody else and may be closed to the owner of the database.
        as_owner test -w "$dir" || fail "the user postgres cannot reach $dir: name another folder"
    fi
    cd "$dir"
    as_owner "$programs/initdb" -D "$dir/data" -U bubi -A trust -E UTF8 --locale=C --no-sync > "$dir/initdb.log" ||
        fail "initdb failed: $(tail -3 "$dir/initdb.log")"
    # Not from the range of outgoing connections: one of them could have it before the server.
    port=$(python3 -c 'import random, socket
while True:
    port = random.randrange(12000, 32000)
    with socket.socket() as one:
        if one.connect_ex(("127.0.0.1", port)) != 0:
            print(port)
            break')
    as_owner "$programs/pg_ctl" -D "$dir/data" -l "$dir/postgres.log" -w -t 240 \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=$fsync -c max_wal_size=4GB" \
        start > /dev/null || fail "it did not start: $(tail -5 "$dir/postgres.log")"
    echo "postgresql://bubi@127.0.0.1:$port/postgres"
    ;;
stop)
    dir=$(cd "$dir" && pwd)
    cd "$dir"
    as_owner "$programs/pg_ctl" -D "$dir/data" -m immediate -w stop > /dev/null
    ;;
*) fail "usage: postgres.sh start|start-durable|stop DIR" ;;
esac
