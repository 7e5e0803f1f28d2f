#!/bin/sh
# ACT SERVICE, by whatever manages services here.
act=$1
service=$2
if [ -d /run/systemd/system ]; then
    exec systemctl --no-pager "$act" -- "$service"
elif command -v service > /dev/null; then
    exec service "$service" "$act"
elif [ -x "/etc/init.d/$service" ]; then
    exec "/etc/init.d/$service" "$act"
fi
echo "There is neither systemd nor a service command on this host." >&2
exit 127
