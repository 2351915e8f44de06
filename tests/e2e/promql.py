"""What an expression of Prometheus names: metrics, their labels and the values of these; and whether /metrics has them.

This is no parser of the whole language, but what it does not know it refuses: an expression of which a part was skipped
would be good in silence."""

import collections
import re

# `labels` are (label, operator, value).
Selector = collections.namedtuple("Selector", "metric labels place")
Grouping = collections.namedtuple("Grouping", "word labels begin end")  # the selectors that it is about lie between

_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*" | \[[^\]]*\] | [A-Za-z_:][\w:]* | [0-9][\w.]* |
                         =~ | !~ | [=!<>]= | [-+*/%^=<>{}(),])""", re.VERBOSE)
_NAME = re.compile(r"[A-Za-z_:]")
_GROUPINGS = {"by", "without"}
_MATCHINGS = {"ignoring", "on", "group_left", "group_right"}
_WORDS = {"avg", "count", "max", "min", "sum", "and", "or", "unless", "bool"}
OF_THE_SCRAPE = {"job", "instance"}
# Their values are names that every set-up has of its own.
OF_THE_SETUP = {"file", "instance", "origin", "remote", "service", "worker"}


def _tokens(text):
    tokens, end = [], 0
    while text[end:].strip():
        token = _TOKEN.match(text, end)
        if not token:
            raise ValueError(f"what is {text[end:end + 20]!r} in {text}")
        tokens.append(token[1])
        end = token.end()
    return [token for token in tokens if token[0] != "["]  # a range says nothing of names


def _names_in(tokens, place):
    """Those in the brackets that open at `place`, and the place behind them."""
    if tokens[place:place + 1] != ["("]:
        raise ValueError("there are no labels in brackets")
    end = tokens.index(")", place)
    return [token for token in tokens[place + 1:end] if token != ","], end + 1


def _labels_in(tokens, place):
    labels = []
    while tokens[place] != "}":
        label, operator, value = tokens[place + 1:place + 4]
        labels.append((label, operator, value[1:-1].replace("\\\\", "\\")))
        place += 4
        if tokens[place] not in ",}":
            raise ValueError(f"what is {tokens[place]!r} behind a label")
    return labels, place + 1


def _closing(tokens, place):
    depth = 0
    for end in range(place, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[end], 0)
        if depth == 0:
            return end
    raise ValueError("a bracket is not closed")


def parse(text):
    """Its selectors and its groupings."""
    tokens = _tokens(text)
    selectors, groupings, place = [], [], 0
    while place < len(tokens):
        token, following = tokens[place], tokens[place + 1:place + 2]
        if token in _GROUPINGS:
            labels, place = _names_in(tokens, place + 1)
            if tokens[place:place + 1] != ["("]:
                raise ValueError(f"{token} must stand before what is aggregated")
            groupings.append(Grouping(token, labels, place, _closing(tokens, place)))
        elif token in _MATCHINGS:
            labels, place = _names_in(tokens, place + 1)
            groupings.append(Grouping(token, labels, 0, len(tokens)))
        elif _NAME.match(token) and token not in _WORDS and following != ["("]:
            labels, behind = _labels_in(tokens, place + 1) if following == ["{"] else ([], place + 1)
            selectors.append(Selector(token, labels, place))
            place = behind
        else:
            place += 1
    return selectors, groupings


def samples(metrics):
    """From the names with labels, as /metrics has them, the labels of each sample by the metric's name."""
    found = collections.defaultdict(list)
    for name in metrics:
        (selector,), _ = parse(name)
        found[selector.metric].append({label: value for label, _, value in selector.labels})
    return found


class Exposed:
    """What programs say at /metrics: samples() of each by the name of the job that scrapes it."""

    def __init__(self, programs):
        self._programs = programs

    def labels_of(self, job, metric):
        """That every sample has, once it is scraped."""
        found = [set(labels) for labels in self._programs[job].get(metric, [])]
        return set.intersection(*found) | OF_THE_SCRAPE if found else set()

    def complaints(self, text):
        """What is in an expression and not in /metrics."""
        selectors, groupings = parse(text)
        said = [complaint for selector in selectors for complaint in self._about(selector)]
        if not selectors:
            said.append(f"no metric in {text}")
        for grouping in groupings:
            for selector in selectors:
                if grouping.begin <= selector.place < grouping.end:
                    said += [f"{selector.metric} of {job} has no label {label} for {grouping.word}"
                             for job in self._jobs(selector) for label in grouping.labels
                             if label not in self._labels(job, selector.metric)]
        return said

    def _labels(self, job, metric):
        return OF_THE_SCRAPE if metric == "up" else self.labels_of(job, metric)

    def _jobs(self, selector):
        """Whom it is about: all programs, unless it says which."""
        jobs = set(self._programs)
        for label, operator, value in selector.labels:
            if label == "job":
                jobs &= set(value.split("|") if operator == "=~" else [value])
        return sorted(jobs)

    def _about(self, selector):
        for label, operator, value in selector.labels:
            if label == "job":
                for job in value.split("|") if operator == "=~" else [value]:
                    if job not in self._programs or operator not in ("=", "=~"):
                        yield f"no program is scraped by job{operator}{job}"
        for job in self._jobs(selector):
            has = self._programs[job].get(selector.metric)
            if selector.metric != "up" and not has:
                yield f"{job} has no {selector.metric}"
                continue
            for label, operator, value in selector.labels:
                if label not in self._labels(job, selector.metric):
                    yield f"{selector.metric} of {job} has no label {label}"
                elif label not in OF_THE_SCRAPE | OF_THE_SETUP:
                    known = {sample[label] for sample in has}
                    for each in value.split("|") if "~" in operator else [value]:
                        if each not in known:
                            yield f"{selector.metric} of {job} has no {label}={each}"
