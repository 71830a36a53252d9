"""tools/tidy.py finds each kind of breach, and nothing in a tree that keeps the rules."""
import subprocess
import sys
from pathlib import Path

import pytest

TIDY = Path(__file__).resolve().parents[2] / "tools" / "tidy.py"
MODULES = """
base    :
io      :
net     :
iceberg : io
rewrite : io iceberg
catalog : io iceberg
rest    : net catalog
cli     : rest
iceberg/types    :
iceberg/manifest : types
iceberg/scan     : types manifest
iceberg/testing  : types
"""
GOOD = {
    "src/moraine/modules.txt": MODULES,
    "src/moraine/base/clock.cc": "#include <chrono>\nauto t = std::chrono::steady_clock::now();\n",
    "src/moraine/io/files.cc": '#include <arrow/filesystem/filesystem.h>\n#include "moraine/base/clock.h"\n',
    "src/moraine/iceberg/scan/plan.cc": '#include "moraine/iceberg/manifest/reader.h"\n#include <vector>\n',
    "src/moraine/iceberg/scan/plan_test.cc": '#include <gtest/gtest.h>\n#include "moraine/iceberg/testing/tables.h"\n',
    "src/moraine/catalog/testing/fake.h": '#include "moraine/io/testing/faulty.h"\n',
    "src/moraine/catalog/a_internal.h": "",
    "src/moraine/catalog/a.cc": '#include "moraine/catalog/a_internal.h"\n// std::thread, getenv("X"): only a comment\n'
                                'auto text = "std::random_device";\nauto n = std::thread::hardware_concurrency();\n',
    "src/moraine/main.cc": '#include "moraine/cli/cli.h"\n',
    "src/moraine/net/http.cc": "#include <boost/beast.hpp>\n#include <sys/socket.h>\n",
    "tests/runner.cc": '#include "moraine/rest/rest.h"\n#include "moraine/net/http.h"\n#include <gtest/gtest.h>\n',
    "README.md": "[a](docs/a.md) [b](docs/a.md#the-part-b) [web](https://example.org/x)\n```\n[no](link)\n```\n",
    "docs/a.md": "# A\n## The part: B\n[up](../README.md)\n",
}


def tidy(root: Path, files: dict[str, str]) -> tuple[int, str]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for module in ("base", "io", "net", "iceberg", "rewrite", "catalog", "rest", "cli"):
        (root / "src/moraine" / module).mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, TIDY, "--root", root], capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_tree_that_keeps_the_rules_passes(tmp_path):
    assert tidy(tmp_path, GOOD) == (0, "tidy: all rules hold\n")


BREACHES = {
    "edge": ("src/moraine/io/x.cc", '#include "moraine/catalog/y.h"', "io may not include catalog"),
    "edge_is_not_transitive": ("src/moraine/rest/x.cc", '#include "moraine/io/y.h"', "rest may not include io"),
    "edge_in_test": ("src/moraine/rest/x_test.cc", '#include "moraine/rewrite/y.h"', "rest may not include rewrite"),
    "edge_of_main": ("src/moraine/main.cc", '#include "moraine/rest/y.h"', "main may not include rest"),
    "edge_of_folder": ("src/moraine/iceberg/types/x.h", '#include "moraine/iceberg/scan/y.h"',
                       "iceberg/types may not include iceberg/scan"),
    "cycle": ("src/moraine/modules.txt", MODULES.replace("io      :", "io      : catalog"), "in a circle: "),
    "cycle_of_folders": ("src/moraine/modules.txt", MODULES.replace("iceberg/types    :", "iceberg/types    : scan"),
                         "in a circle: iceberg/manifest -> iceberg/types -> iceberg/scan"),
    "unknown_module": ("src/moraine/modules.txt", MODULES.replace("net catalog", "net catalogue"), "catalogue, which has no line"),
    "unlisted_folder": ("src/moraine/modules.txt", MODULES.replace("rewrite : io iceberg", ""), "src/moraine/rewrite is no module"),
    "bad_line": ("src/moraine/modules.txt", MODULES + "terminal\n", "expected one 'module : modules' line"),
    "internal_header": ("src/moraine/rest/x.cc", '#include "moraine/catalog/a_internal.h"', "is private to catalog/"),
    "testing_in_production": ("src/moraine/catalog/x.cc", '#include "moraine/catalog/testing/fake.h"', "for tests only"),
    "testing_of_a_stranger": ("src/moraine/io/testing/x.h", '#include "moraine/catalog/testing/fake.h"', "io may not include catalog"),
    "door": ("src/moraine/catalog/x.cc", "#include <curl/curl.h>", "<curl/curl.h> may be included by net only"),
    "door_in_test": ("src/moraine/catalog/x_test.cc", "#include <parquet/api.h>", "may be included by iceberg/data, rewrite, splice only"),
    "door_of_folder": ("src/moraine/iceberg/scan/x.cc", "#include <roaring/roaring.h>", "may be included by iceberg/deletes"),
    "longest_door": ("src/moraine/iceberg/scan/x.cc", "#include <arrow/filesystem/api.h>", "may be included by io only"),
    "gtest_in_production": ("src/moraine/io/x.cc", "#include <gtest/gtest.h>", "may be included by tests only"),
    "no_door": ("src/moraine/io/x.cc", "#include <lzma/api.h>", "<lzma/api.h> has no door"),
    "system_header": ("src/moraine/catalog/x.cc", "#include <sys/socket.h>", "<sys/socket.h> is for base, io"),
    "clock": ("src/moraine/io/x.cc", "auto t = std::chrono::system_clock::now();", "reads the clock"),
    "sleep": ("src/moraine/io/x.cc", "std::this_thread::sleep_for(1s);", "sleeps"),
    "sleep_in_tests": ("tests/sim/x.cc", "std::this_thread::sleep_for(1s);", "sleeps"),
    "random": ("src/moraine/io/x.cc", "std::random_device device;", "makes randomness"),
    "thread": ("src/moraine/io/x_test.cc", "std::jthread worker([] {});", "starts a thread"),
    "getenv": ("src/moraine/io/x.cc", 'auto home = std::getenv("HOME");', "reads the environment"),
    "print": ("src/moraine/io/x.cc", 'fmt::print("x");', "prints"),
    "print_after_a_char": ("src/moraine/io/x.cc", "char c = '\"'; std::cout << c;", "prints"),
    "machine_path": ("docs/a.md", "see /ro" + "ot/notes", "names a folder of one machine"),
    "link": ("docs/a.md", "[x](b.md)", "link to nothing: b.md"),
    "heading": ("README.md", "[x](docs/a.md#part-c)", "no such heading: docs/a.md#part-c"),
    "own_heading": ("README.md", "[x](#nowhere)", "no such heading: #nowhere"),
}


@pytest.mark.parametrize("name", BREACHES)
def test_breach_is_found(tmp_path, name):
    file, text, expected = BREACHES[name]
    status, output = tidy(tmp_path, GOOD | {file: text + "\n"})
    assert status == 1
    assert any(line.startswith(file + ":") and expected in line for line in output.splitlines()), output
