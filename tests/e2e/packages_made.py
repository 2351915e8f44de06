"""Packages for the tests of them, made by scripts/package.sh."""

import os
import re

from programs import REPO, run

with open(os.path.join(REPO, "CMakeLists.txt"), encoding="utf-8") as _file:
    VERSION = re.search(r"^project\(.* VERSION (\S+) ", _file.read(), re.M)[1]


def make(kind, folder, *options):
    """Makes packages of one kind in this folder; gives their paths. TUNNEL_STATIC names a folder with both programs
    without shared libraries; where it is not set, they are built, if they are not there yet."""
    programs = os.environ.get("TUNNEL_STATIC")
    given = ["--programs", programs] if programs else []
    script = os.path.join(REPO, "scripts/package.sh")
    return run([script, kind, *given, "--output", folder, *options], timeout=900).stdout.split()
