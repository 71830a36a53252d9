#!/usr/bin/env bash
# Installs Spark 3.5 with the Iceberg runtime once per content of python.txt and pom.xml, and prints the
# folder: python/ for sys.path, jars/ for Spark. Quick when it is there already.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/moraine
python=${PYTHON:-python3}
hash=$({ "$python" -V; cat "$here/python.txt" "$here/pom.xml"; } | sha256sum | cut -c1-12)
folder=$cache/spark-$hash
mkdir -p "$cache"
(
  flock 9
  [[ -e $folder/complete ]] && exit 0
  echo "installing Spark and the Iceberg runtime to $folder (once, one or two minutes)" >&2
  rm -rf "$folder"
  mkdir -p "$folder"
  "$python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
    --target "$folder/python" -r "$here/python.txt" >&2
  cp "$here/pom.xml" "$folder/pom.xml"
  mvn -q -B ${MVN_OPTS:-} -f "$folder/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$folder/jars" -DincludeScope=runtime >&2
  touch "$folder/complete"
) 9>"$cache/spark.lock"
echo "$folder"
