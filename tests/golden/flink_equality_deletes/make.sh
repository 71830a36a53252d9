#!/usr/bin/env bash
# make.sh: makes the tables of this folder anew, in a scratch folder, with Flink 1.20 and its Iceberg sink. Needs JDK 17,
# Maven, pip and the right to make a folder of one long name in the root folder, which is where the tables say they are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=${1:?usage: make.sh SCRATCH_FOLDER}
warehouse=/flink$(printf '_%.0s' {1..146})  # so long that a test can put any other path in its place
lib=$scratch/lib
mkdir -p "$lib" "$scratch/classes"

if [[ ! -e $lib/complete ]]; then
  python3 -m pip download --quiet --no-deps --dest "$scratch" apache-flink-libraries==1.20.5
  tar xzf "$scratch"/apache_flink_libraries-1.20.5.tar.gz -C "$lib" --strip-components=3 apache_flink_libraries-1.20.5/deps/lib
  for artifact in iceberg:iceberg-flink-runtime-1.20:1.10.0 hadoop:hadoop-client-api:3.4.1 hadoop:hadoop-client-runtime:3.4.1; do
    mvn -q -B dependency:copy -Dartifact="org.apache.$artifact" -DoutputDirectory="$lib" -Dmdep.useBaseVersion=true
  done
  touch "$lib/complete"
fi

opens=()
for package in util lang net io nio lang.reflect text time util.concurrent util.concurrent.atomic; do
  opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done
rm -rf "$warehouse"
mkdir "$warehouse"
javac -cp "$lib/*" -d "$scratch/classes" "$here/Make.java"
java -Xmx900m "${opens[@]}" --add-opens=java.base/sun.nio.ch=ALL-UNNAMED -cp "$scratch/classes:$lib/*" Make "file://$warehouse" "$here"
find "$warehouse" \( -name '*.crc' -o -name 'version-hint.text' \) -delete
rm -rf "$here"/{changes,partitions,upserts}
mv "$warehouse"/db/* "$here/"
rm -rf "$warehouse"
