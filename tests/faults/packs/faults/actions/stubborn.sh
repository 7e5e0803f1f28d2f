#!/bin/sh
# A shell and two children, one of them in a session of its own, all deaf to SIGTERM.
trap '' TERM
sh -c 'trap "" TERM; echo $$ >>"$0"; while :; do sleep 1; done' "$1" &
setsid sh -c 'trap "" TERM; echo $$ >>"$0"; while :; do sleep 1; done' "$1" &
echo $$ >>"$1"
while :; do sleep 1; done
