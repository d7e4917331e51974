#!/bin/sh
# Crawl list.txt again, and ask only for what has changed since the last time.
# Usage: recrawl.sh DIRECTORY [OPTION ...]; more options are those of crawler crawl.
# A day's output is a file of its own; latest.jsonl is a link to the last one that is complete.
# One that was killed is continued when this runs again on the same day.
set -eu
cd "$1"
shift
output=$(date +%F).jsonl
if [ -e "$output.receipt.json" ]; then
    echo "recrawl: $output is complete" >&2
    exit 0
fi
if [ -e latest.jsonl ]; then
    set -- --since "$(readlink latest.jsonl)" "$@"
fi
crawler crawl -i list.txt -o "$output" --progress none --log crawl.log "$@"
ln -sf "$output" latest.jsonl
