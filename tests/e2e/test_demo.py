"""What a new user sees: ./dev run, on a small scale."""
import subprocess
import sys

from harness import BINARY, ROOT, free_port


def test_demo_ends_with_fewer_files_and_the_same_rows(tmp_path):
    demo = subprocess.run([sys.executable, ROOT / "tools/demo.py", "--listen", f"127.0.0.1:{free_port()}", "--folder", tmp_path, "--appends", "20",
                           "--scale", "0.02", "--exit"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=140)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "The rows are the same." in demo.stdout
    # The row of the table of step 4: a line of progress may speak of data files, too.
    table = demo.stdout[demo.stdout.index("4. Before and after"):]
    (row,) = [line.split() for line in table.splitlines() if line.split()[:2] == ["data", "files"]]
    assert row[2:] == ["20", "1"]
    assert "stopped (cleanly)" in demo.stdout


def test_package_needs_nothing_that_debian_lacks(tmp_path):
    """The archive of ./dev package, unpacked anywhere: every library comes from it or from Debian's base."""
    made = subprocess.run([sys.executable, ROOT / "tools/package.py"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=140)
    assert made.returncode == 0, made.stdout + made.stderr
    archive = max((ROOT / "build").glob("moraine-*.tar.gz"), key=lambda file: file.stat().st_mtime)
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path], check=True)
    (folder,) = tmp_path.iterdir()
    binary = folder / "bin" / BINARY.name
    libraries = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True, env={}).stdout
    base = ("linux-vdso", "ld-linux", "libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "libresolv.so", "libstdc++.so", "libgcc_s.so")
    for line in libraries.splitlines():
        name = line.split()[0].split("/")[-1]
        assert name.startswith(base) or str(folder) in line, line
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, env={}, timeout=20)
    assert version.returncode == 0 and (ROOT / "VERSION").read_text().strip() in version.stdout
    sample = subprocess.run([binary, "server", "--print-config"], capture_output=True, text=True, env={}, timeout=20, check=True).stdout
    assert (folder / "share/doc/moraine/moraine.yaml").read_text() == sample
    notices = list((folder / "share/doc/moraine/licences").iterdir())
    assert len(notices) > 10 and all(file.stat().st_size > 0 for file in notices)
