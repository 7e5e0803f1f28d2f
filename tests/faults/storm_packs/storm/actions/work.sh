#!/bin/bash
# Work in shell: storm trace $1, lane $2, for $3 beats. Every line is one write at the end of a file.
note() { printf '%s %s %s %s %s\n' "$1" "$ST_OPS_EXECUTION_ID" "$lane" "$$" "$EPOCHREALTIME" >>"$trace"; }
trace=$1 lane=$2
note begin
for ((beat = 0; beat < $3; beat++)); do
    sleep 0.02
    note beat
done
note end
