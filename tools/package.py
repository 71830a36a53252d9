#!/usr/bin/env python3
"""Makes build/moraine-VERSION-linux-ARCH.tar.gz: the binary, every library that a clean Debian 12 lacks, and
their licences. Unpacked anywhere it runs as it is: bin/moraine, lib/moraine/*.so, share/doc/moraine/.
"""
import os
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pyarrow

ROOT = Path(__file__).resolve().parent.parent
# What every Debian has, and what must be the system's own: the C and C++ runtime.
SYSTEM = re.compile(r"^(ld-linux-.*|lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+))\.so\b|^linux-vdso")


def needed(binary: Path) -> dict[str, Path]:
    """The libraries that the loader finds for the binary, by name."""
    text = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if not arrow or SYSTEM.match(name):
            continue
        if rest.startswith("not found"):
            raise SystemExit(f"{binary.name} needs {name}, which is not here")
        found[name] = Path(rest.split(" (")[0])
    return found


def copy_licence(library: Path, folder: Path):
    """The copyright file of the Debian package that the library comes from."""
    for path in (library, library.resolve(), Path("/usr", *library.resolve().parts[1:])):
        owner = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
        if owner.returncode == 0:
            package = owner.stdout.split(":")[0]
            shutil.copy(f"/usr/share/doc/{package}/copyright", folder / f"{package}.txt")
            return
    raise SystemExit(f"no package owns {library}, so its licence is not known")


def main():
    version = (ROOT / "VERSION").read_text().strip()
    name = f"moraine-{version}-linux-{platform.machine()}"
    staging = ROOT / "build" / name
    shutil.rmtree(staging, ignore_errors=True)
    libraries, documents = staging / "lib/moraine", staging / "share/doc/moraine"
    licences = documents / "licences"
    for folder in (staging / "bin", libraries, licences):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "bin/moraine", staging / "bin/moraine")
    for library, path in sorted(needed(ROOT / "bin/moraine").items()):
        shutil.copy(path, libraries / library)
        if path.parent.resolve() == ROOT / "lib/moraine":
            continue  # Arrow's: from the wheel
        subprocess.run(["patchelf", "--set-rpath", "$ORIGIN", libraries / library], check=True)
        copy_licence(path, licences)
    for file in Path(pyarrow.__file__).parent.parent.glob("pyarrow-*.dist-info/licenses/*"):
        shutil.copy(file, licences / f"arrow-{file.name}")
    if simdjson := os.environ.get("MORAINE_SIMDJSON_ROOT"):  # compiled in
        shutil.copy(Path(simdjson) / "LICENSE", licences / "simdjson-LICENSE")
    for file in ("LICENSE", "README.md", "CHANGELOG.md", "docs/guide/moraine.yaml"):
        shutil.copy(ROOT / file, documents / Path(file).name)
    archive = ROOT / "build" / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
        tar.add(staging, arcname=name)
    print(f"moraine: made {archive.relative_to(ROOT)}, {archive.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    main()
