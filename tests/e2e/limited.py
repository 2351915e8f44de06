"""How near to their limits of bandwidth downloads come; scripts/scale.py runs it."""

from scale import Result
from support import Tunnel
from test_bandwidth import download, size_of, web_server

ALLOWED = 0.05
RATES = {"512KiB/s": 512 * 1024, "10MB/s": 10_000_000, "1Gbit/s": 125_000_000}


def limits(_folder, seconds=5.0):
    """One and four downloads of so many seconds, under a limit of their service in either program."""
    result = Result()
    for flag, rate in RATES.items():
        for program in ("remote", "origin"):
            with web_server() as server, Tunnel(server, **{f"{program}_flags": ["--max-bandwidth-down", flag]}) as tunnel:
                for visitors in (1, 4):
                    curls = [download(tunnel.outside, seconds) for _ in range(visitors)]
                    sizes = [size_of(curl) for curl in curls]
                    part = sum(sizes) / (rate * seconds)
                    words = f"{flag} in the {program} proxy, {visitors} at once, of the limit"
                    result.add(words, f"{part:.3f}, the least has {min(sizes) / max(sizes):.2f} of the most")
                    result.check(abs(part - 1) <= ALLOWED, f"{words}: {part:.3f}")
    return result
