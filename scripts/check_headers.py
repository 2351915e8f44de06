#!/usr/bin/env python3
"""Compiles each header of common/ and of the programs alone: a header that relies on what others happen to include, or
on the precompiled header, fails. Nothing is linked or kept."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("common", "remote-proxy", "origin-proxy")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<(nlohmann/json\.hpp)>)', re.MULTILINE)

def compiler_flags():
    """The command of the preset release that compiles a source of common/, without its files."""
    subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    commands = json.loads((ROOT / "build/release/compile_commands.json").read_text())
    command = next(shlex.split(each["command"]) for each in commands
                   if "/tunnel_common.dir/" in each["command"] and "cmake_pch" not in each["file"])
    flags = []
    words = iter(command)
    for word in words:
        if word in ("-o", "-c", "-include"):
            next(words)
        elif word != "-Winvalid-pch":
            flags.append(word)
    return flags


def includes(path, known):
    """All files of this repository that a file includes, directly or not, and whether the JSON package is among them."""
    if path not in known:
        known[path] = set()
        file = ROOT / path
        found = set()
        for ours, package in INCLUDE.findall(file.read_text() if file.is_file() else ""):
            name = ours or package
            found |= {name} | includes(name, known)
        known[path] = found
    return known[path]


def heavy_part(path, known):
    """What a header includes, in the end, of the two packages that cost half a second and more: the header of common/
    that has asio, and that of JSON. They are compiled once; a header that includes them anyway sees nothing through them
    that it would not see alone."""
    all_of_it = includes(path, known) | {path}
    ours = [name for name in all_of_it if name.startswith("common/") and name.endswith("/asio.hpp")]
    return tuple(sorted(ours)) + (("nlohmann/json.hpp",) if "nlohmann/json.hpp" in all_of_it else ())


def precompile(flags, heavy, folder):
    """The path to include instead of them."""
    header = pathlib.Path(folder) / ("-".join(name.replace("/", "_") for name in heavy) + ".hpp")
    header.write_text("".join(f"#include <{name}>\n" for name in heavy))
    subprocess.run([*flags, "-x", "c++-header", str(header), "-o", f"{header}.gch"], cwd=ROOT, check=True)
    return header


def compile_alone(flags, header, path):
    """The compiler's complaints; empty: none."""
    first = ["-include", str(path)] if path else []
    result = subprocess.run([*flags, *first, "-fsyntax-only", "-x", "c++", "-"], cwd=ROOT, text=True,
                            input=f'#include "{header}"\n', capture_output=True, check=False)
    return result.stderr + ("" if result.returncode == 0 or result.stderr else f"{header}: the compiler failed\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("headers", nargs="*", metavar="HEADER", help="a path from the root; all headers if none is named")
    headers = parser.parse_args().headers
    if not headers:
        headers = sorted(str(path.relative_to(ROOT)) for top in FOLDERS for path in (ROOT / top).rglob("*.hpp"))
    flags = compiler_flags()
    known = {}
    parts = {header: heavy_part(header, known) for header in headers}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        paths = {heavy: pool.submit(precompile, flags, heavy, folder) for heavy in set(parts.values()) if heavy}
        paths = {heavy: path.result() for heavy, path in paths.items()}
        wrong = [said for said in pool.map(lambda header: compile_alone(flags, header, paths.get(parts[header])), headers)
                 if said]
    print("".join(wrong), end="")
    print(f"{len(headers)} headers, {len(wrong)} of them wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
