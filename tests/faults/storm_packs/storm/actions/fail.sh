#!/bin/bash
# Work that fails.
printf 'begin %s %s %s %s\n' "$ST_OPS_EXECUTION_ID" "$2" "$$" "$EPOCHREALTIME" >>"$1"
printf 'end %s %s %s %s\n' "$ST_OPS_EXECUTION_ID" "$2" "$$" "$EPOCHREALTIME" >>"$1"
exit 7
