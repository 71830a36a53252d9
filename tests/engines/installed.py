"""What install.sh fetched for one of the folders beside it, and a Java to run it."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def installed(name: str) -> Path:
    return Path(run(name)[0])


def class_path(name: str) -> str:
    """Our own classes for it and its jars."""
    folder, classes = run(name)
    return f"{classes}:{folder}/jars/*"


def run(name: str) -> list[str]:
    done = subprocess.run([HERE / "install.sh", name], env=os.environ | {"PYTHON": sys.executable}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.split()


def java(version: int = 0) -> str:
    """A Java of at least this version: JAVA_HOME's, or else any of the machine. Errors: FileNotFoundError."""
    homes = [os.environ["JAVA_HOME"]] if "JAVA_HOME" in os.environ else []
    found = [Path(home, "bin", "java") for home in homes] + [Path(program) for program in (shutil.which("java"),) if program]
    found += sorted(Path("/usr/lib/jvm").glob("*/bin/java"))
    for program in found:
        if program.exists() and version_of(program) >= version:
            return str(program)
    raise FileNotFoundError(f"no Java {version} or newer on this machine")


def version_of(program: Path) -> int:
    text = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    return int(match[1]) if (match := re.search(r'version "(\d+)', text)) else 0
