#!/bin/sh
# Install the service $1 on this machine, which will be known as $2, listening on port $3.
# Each file is written aside and moved into place, so that being cut off leaves the old one or the new one.
set -eu

service=$1
name=$2
port=$3
root="$HOME/services/$service"

put() {
    cat >"$1.new"
    if cmp -s "$1.new" "$1"; then
        rm "$1.new"
        echo "kept $1"
    else
        mv "$1.new" "$1"
        echo "wrote $1"
    fi
}

mkdir -p "$root/www"

put "$root/service.conf" <<END
service = $service
name = $name
port = $port
document_root = $root/www
END

put "$root/www/health" <<END
ok $name
END

# A machine whose image holds a systemd unit for the service runs it; the others only have its files.
unit="$service.service"
if command -v systemctl >/dev/null 2>&1 && systemctl cat "$unit" >/dev/null 2>&1; then
    systemctl enable --now "$unit"
fi

echo "$service is installed as $name"
