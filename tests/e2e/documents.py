"""The documents as text: their blocks, links, anchors, command lines and flags."""

import glob
import os
import re
import shlex

from programs import REPO

PROGRAMS = ("remote-proxy", "origin-proxy")
# Written by a program, or of another program: only their links are looked at.
NOT_WRITTEN_BY_HAND = ("docs/benchmark/results.md",)


def names():
    """Every document, as a path from the root."""
    return sorted({*glob.glob("*.md", root_dir=REPO), *glob.glob("docs/**/*.md", root_dir=REPO, recursive=True)})


def written_by_hand():
    return [name for name in names() if name not in NOT_WRITTEN_BY_HAND]


def read(name):
    with open(os.path.join(REPO, name), encoding="utf-8") as file:
        return file.read()


def blocks(text, *languages):
    """What stands between fences, without the indentation of a list that it is in; of these languages, or of all."""
    found = []
    for indent, language, body in re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.M | re.S):
        if not languages or language in languages:
            found.append(re.sub(rf"^{indent}", "", body, flags=re.M))
    return found


def prose(text):
    """The text without its blocks."""
    return re.sub(r"^( *)```\w*\n.*?^\1```$", "", text, flags=re.M | re.S)


def code_spans(text):
    return [re.sub(r"\s+", " ", span).strip() for span in re.findall(r"`([^`]+)`", prose(text))]


def anchors(text):
    """The names that GitHub gives to headings."""
    found = []
    for heading in re.findall(r"^#+ +(.*?) *$", prose(text), re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = sum(1 for each in found if each == anchor or re.fullmatch(rf"{re.escape(anchor)}-\d+", each))
        found.append(f"{anchor}-{again}" if again else anchor)
    return found


def links(text):
    """The targets of links and pictures."""
    without_code = re.sub(r"`[^`]*`", "", prose(text))
    return re.findall(r"\]\(\s*([^)\s]+)\s*\)", without_code) + re.findall(r"^\[[^\]]+\]: +(\S+)", without_code, re.M)


def command_lines(text):
    """Each command line of one of the programs that a reader could type: (program, its words)."""
    found = []
    typed = blocks(text, "sh", "ini", "toml") + re.findall(r"^\$ (.*)$", "\n".join(blocks(text, "console")), re.M)
    for block in typed:
        for line in re.sub(r"\\\n\s*", "", block).split("\n"):
            found += commands_in(line)
    for span in code_spans(text):
        found += commands_in(span)
    return found


def commands_in(line):
    """Those at the beginning of a line, or behind && and the like."""
    line = re.sub(r"^(ExecStart=|# )", "", line.strip())  # in TOML the first comment says who reads it
    found = []
    for part in re.split(r"&&|\|\||;", line):
        try:
            words = shlex.split(re.split(r"\s[|>#]|…", part)[0])
        except ValueError:  # a sentence with an apostrophe
            continue
        is_cut = "…" in part
        if words and os.path.basename(words[0]) in PROGRAMS and (len(words) > 1 or is_cut):
            found.append((os.path.basename(words[0]), words[1:] + (["…"] if is_cut else [])))
    return found


def flags_in(words):
    return [word.partition("=")[0] for word in words if re.match(r"-[-a-zA-Z]", word)]


def table_rows(text, first_column):
    """The rows below a header whose first column is this, as lists of cells."""
    rows, inside = [], False
    for line in prose(text).split("\n"):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first_column:
            inside = True
        elif inside and not set("".join(cells)) <= set("-: "):
            rows.append(cells)
    return rows
