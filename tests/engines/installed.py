"""What install.sh fetched for one of the folders beside it, and a Java to run it."""
import os
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


def java() -> str:
    return str(Path(os.environ["JAVA_HOME"], "bin", "java")) if "JAVA_HOME" in os.environ else shutil.which("java")
