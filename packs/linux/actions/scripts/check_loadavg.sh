#!/bin/sh
# Print the load averages as JSON: PERIOD (1, 5, 15 or all).
read -r one five fifteen _ < /proc/loadavg || exit 1
case "$1" in
    1) printf '{"1": %s}\n' "$one" ;;
    5) printf '{"5": %s}\n' "$five" ;;
    15) printf '{"15": %s}\n' "$fifteen" ;;
    *) printf '{"1": %s, "5": %s, "15": %s}\n' "$one" "$five" "$fifteen" ;;
esac
