#!/usr/bin/env bash
# Of Trino's plugins, only what the tests use: the others are four fifths of it.
set -euo pipefail
for plugin in archives/trino-server-*/plugin/*; do
  [[ $(basename "$plugin") == iceberg ]] || rm -r "$plugin"
done
