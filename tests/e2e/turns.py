"""No thread of the programs may be busy with one thing for long: everybody else would have to wait."""

import re

from programs import Program

_WARNING = re.compile(r"a thread was busy with one thing.*")
_CPU = re.compile(r'\b(?:left-out-)?cpu[\w-]*"?[=:] ?"?([0-9.]+)')
LIMIT = 0.1  # seconds of processor time; a machine that has no core to spare does not add to it


def long_turns(programs=None):
    """The log lines of the programs that have been started about turns which took too much processor time."""
    lines = []
    for program in Program.started if programs is None else programs:
        for text in filter(_WARNING.search, program.texts("stderr")):
            if max((float(number) for number in _CPU.findall(text)), default=0) > LIMIT:
                lines.append(f"{program.name}: {text}")
    return lines
