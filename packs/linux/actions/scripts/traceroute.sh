#!/bin/sh
# HOST HOPS QUERIES
if ! command -v traceroute > /dev/null; then
    echo "traceroute is not installed on this host." >&2
    exit 127
fi
exec traceroute -m "$2" -q "$3" -- "$1"
