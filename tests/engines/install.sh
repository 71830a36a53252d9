#!/usr/bin/env bash
# Fetches what one folder beside this file lists, once per content of it, and prints where it is; then, where there
# are sources in Java, where their classes are. Quick when it is there.
# Usage: install.sh [spark35|spark4|flink|trino|jdk|reference|pyiceberg|requests]
#   python.txt   packages for Python's path     -> python/
#   venv.txt     packages in an environment     -> venv/
#   sources.txt  source archives of packages    -> sources/
#   pom.xml      jars and what they need        -> jars/
#   archives.txt archives among the jars        -> archives/
#   *.java       compiled with the jars         -> classes-HASH/
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:-spark35}
list=$here/$name
cache=${XDG_CACHE_HOME:-$HOME/.cache}/moraine
python=${PYTHON:-python3}
hash=$({ "$python" -V; for file in "$list"/*; do [[ -d $file || $file =~ \.(py|java|toml)$ ]] || cat "$file"; done; } | sha256sum | cut -c1-12)
folder=$cache/$name-$hash
pip=("$python" -m pip)
quiet=(--quiet --disable-pip-version-check --no-input)
mkdir -p "$cache"

lines() { grep -v '^#' "$1"; }

fetch() {
  if [[ -e $list/python.txt ]]; then
    "${pip[@]}" install "${quiet[@]}" --no-deps --target "$folder/python" -r "$list/python.txt"
  fi
  if [[ -e $list/venv.txt ]]; then
    "$python" -m venv "$folder/venv"
    "$folder/venv/bin/python" -m pip install "${quiet[@]}" --no-deps -r "$list/venv.txt"
  fi
  if [[ -e $list/sources.txt ]]; then
    "${pip[@]}" download "${quiet[@]}" --no-deps -d "$folder/download" -r "$list/sources.txt"
    mkdir "$folder/sources"
    for archive in "$folder"/download/*.tar.gz; do tar xzf "$archive" -C "$folder/sources"; done
    rm -r "$folder/download"
  fi
  if [[ -e $list/pom.xml ]]; then
    cp "$list/pom.xml" "$folder/pom.xml"
    mvn -q -B ${MVN_OPTS:-} -f "$folder/pom.xml" dependency:copy-dependencies \
      -DoutputDirectory="$folder/jars" -DincludeScope=runtime
  fi
  if [[ -e $list/archives.txt ]]; then
    mkdir "$folder/archives"
    lines "$list/archives.txt" | while read -r artifact; do
      mvn -q -B ${MVN_OPTS:-} dependency:copy -Dartifact="$artifact" -DoutputDirectory="$folder/download" </dev/null
    done
    for archive in "$folder"/download/*.tar.gz; do tar xzf "$archive" -C "$folder/archives"; done
    rm -r "$folder/download"
  fi
  if [[ -x $list/trim.sh ]]; then (cd "$folder" && "$list/trim.sh"); fi
}

compile() {
  mkdir -p "$classes"
  "${JAVA_HOME:+$JAVA_HOME/bin/}javac" -proc:none -nowarn -d "$classes" \
    -cp "$folder/jars/*:$(find "$folder" -path '*/sources/*/lib/*.jar' | tr '\n' ':')" "$list"/*.java
  touch "$classes/complete"
}

[[ -d $list ]] || { echo "there is no $list" >&2; exit 2; }
classes=
if compgen -G "$list/*.java" >/dev/null; then classes=$folder/classes-$(cat "$list"/*.java | sha256sum | cut -c1-12); fi
(
  flock 9
  if [[ ! -e $folder/complete ]]; then
    echo "installing $name to $folder (once, one or two minutes)" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    fetch >&2
    touch "$folder/complete"
  fi
  if [[ -n $classes && ! -e $classes/complete ]]; then compile >&2; fi
) 9>"$cache/$name.lock"
echo "$folder"
if [[ -n $classes ]]; then echo "$classes"; fi
