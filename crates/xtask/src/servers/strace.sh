#!/bin/sh
# Runs an unpacked strace with the libraries that came with it.
export LD_LIBRARY_PATH='@LIBRARIES@'
exec '@ROOT@/usr/bin/strace' "$@"
