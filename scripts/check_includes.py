#!/usr/bin/env python3
"""Checks which folder includes which: that nothing points back, and that no files include each other in a circle.
Exit 0: all is well; 1: a line "FILE:LINE: what is wrong" for each fault."""
import argparse
import pathlib
import re
import sys

# Each room, and the rooms that it may include besides itself. A room stands below all that it may include.
COMMON = """
    base
    sandbox     base
    files       base sandbox
    transport   base sandbox
    service_manager base transport
    takeover    base transport
    protocol    base transport
    relay       base transport
    security    base sandbox files transport protocol
    http        base transport
    options     base sandbox files transport relay security http
    management  base transport security options http
    commands    base sandbox service_manager takeover transport security options http management
"""
# The rooms of each program, lowest first: each may include those before it and all of common/. What lies in the
# program's own folder puts them together, and may include all of them. Neither program includes the other.
PROGRAMS = {
    "remote-proxy": "options http trust origins registry visitors fronts services control takeover management",
    "origin-proxy": "options servers link management",
}
# Headers outside the rooms, for tools that are built against the library from outside; nothing here includes them.
FOR_OTHERS = ("common/sandbox.hpp",)

INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')


def read_rooms(text, programs):
    """{room: what it may include}, itself among them. A room that is not there yet cannot be included, so no circle of
    rooms can be written down."""
    rooms = {}
    for line in text.split("\n"):
        if not line.split():
            continue
        room, *below = (f"common/{each}" for each in line.split())
        unknown = [each for each in below if each not in rooms]
        if room in rooms or unknown:
            sys.exit(f"rooms: {room} is there twice, or stands above {unknown}")
        rooms[room] = {room, *below}
    below = set(rooms)
    for program, names in programs.items():
        its = [f"{program}/{each}" for each in names.split()] + [program]
        for count, room in enumerate(its, 1):
            rooms[room] = below | set(its[:count])
    return rooms


def room_of(file):
    """The room that a file belongs to, or its folder."""
    return str(pathlib.PurePosixPath(file).parent)


def includes_of(root, file):
    """[(line, path)] of what a file includes of this repository."""
    found = []
    for number, line in enumerate((root / file).read_text().split("\n"), 1):
        match = INCLUDE.match(line)
        if match:
            found.append((number, match[1]))
    return found


def circles(includes):
    """A line for each circle of files."""
    faults, done, path = [], set(), []

    def visit(file):
        if file in path:
            around = path[path.index(file):] + [file]
            line = next(line for line, other in includes[path[-1]] if other == file)
            faults.append(f"{path[-1]}:{line}: a circle of includes: {' -> '.join(around)}")
            return
        if file in done or file not in includes:
            return
        path.append(file)
        for _, other in includes[file]:
            visit(other)
        done.add(path.pop())

    for file in sorted(includes):
        visit(file)
    return faults


def check(root, rooms):
    """All that is wrong, a line for each."""
    files = sorted(str(path.relative_to(root)) for top in ("common", *PROGRAMS)
                   for path in (root / top).rglob("*") if path.suffix in (".cpp", ".hpp"))
    faults = []
    includes = {}
    for file in files:
        room = room_of(file)
        if file in FOR_OTHERS:
            continue
        if room not in rooms:
            faults.append(f"{file}:1: is in no room ({', '.join(rooms)})")
            continue
        includes[file] = includes_of(root, file)
        for line, other in includes[file]:
            target = room_of(other)
            if not (root / other).is_file():
                faults.append(f"{file}:{line}: there is no {other}; paths are written from the root")
            elif target not in rooms[room]:
                faults.append(f"{file}:{line}: {room} may not include {target}: {other}")
    return faults + circles(includes)


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=here,
                        help="the root of a repository; by default the one of this script")
    faults = check(parser.parse_args().root, read_rooms(COMMON, PROGRAMS))
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
