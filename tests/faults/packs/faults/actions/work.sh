#!/bin/sh
# Note in file $1 that work $2 begins, and its process; wait until file $3 exists, if one is named; note the end.
echo "begin $2 $$" >>"$1"
while [ -n "$3" ] && [ ! -e "$3" ]; do
    sleep 0.05
done
echo "end $2 $$" >>"$1"
