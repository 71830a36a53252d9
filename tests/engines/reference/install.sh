#!/usr/bin/env bash
# Copies the jars of the reference REST catalog once per content of pom.xml, and prints the folder that holds
# them. Quick when it is there already.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/moraine
folder=$cache/reference-catalog-$(sha256sum <"$here/pom.xml" | cut -c1-12)
mkdir -p "$cache"
(
  flock 9
  [[ -e $folder/complete ]] && exit 0
  echo "installing the reference REST catalog to $folder (once, half a minute)" >&2
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$here/pom.xml" "$folder/pom.xml"
  mvn -q -B ${MVN_OPTS:-} -f "$folder/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$folder/jars" -DincludeScope=runtime >&2
  touch "$folder/complete"
) 9>"$cache/reference-catalog.lock"
echo "$folder/jars"
