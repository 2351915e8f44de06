"""A hostile crowd at the management address: no visitor notices, and it is given no more than its share."""

import asyncio
import itertools
import socket
import statistics
import time
import unittest

from faults import SLOW, descriptors, echo, exchange, resident_kib, visit
from managing import Api
from origins import SocketOrigin
from support import HOST, Tunnel, parse_address, poll
from test_management import Folder, address_of
from traffic import Worker, asked

HEAD = b"%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PUT = HEAD % b"PUT /tunnels"
MOST_CONNECTIONS = 64  # that the interface takes at once


class Crowd(Worker):
    """`count` clients of one kind, who come again and again until the block ends."""

    def __init__(self, kind, address, count):
        super().__init__(_crowd, kind, address, count)


async def _crowd(pipe, kind, address, count):
    tried = itertools.count(1)
    all_tried = asyncio.Event()

    async def come_again():
        while True:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(client, address)
                reader, writer = await asyncio.open_connection(sock=client, limit=1)
                if next(tried) >= count:
                    all_tried.set()
                await _KINDS[kind](reader, writer)
                writer.close()
            except OSError:
                client.close()
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(come_again()) for _ in range(count)]
    await asyncio.wait([asyncio.create_task(all_tried.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
    pipe.send("here")
    await asked(pipe)
    pipe.send(next(tried))


async def _say_nothing(reader, _):
    while await reader.read(100):
        pass


async def _say_a_head_byte_by_byte(_, writer):
    for byte in HEAD % b"GET /v1/status" + b"X-Slow: " + b"x" * 10_000:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0.005)


async def _begin_a_body_of_a_gigabyte(reader, writer):
    writer.write(PUT + b"Content-Length: %d\r\n\r\n" % (1 << 30))
    for _ in range(1 << 14):
        writer.write(b" " * (1 << 16))
        await writer.drain()


async def _leave_a_body_half_said(reader, writer):
    writer.write(PUT + b"Content-Length: %d\r\n\r\n" % (1 << 20) + b" " * (1 << 19))
    await _say_nothing(reader, writer)


async def _say_ten_thousand_headers(reader, writer):
    writer.write(PUT + b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(10_000)) + b"\r\n")
    await _say_nothing(reader, writer)


async def _never_read_the_events(_, writer):
    writer.write(HEAD % b"GET /v1/events" + b"\r\n")
    await writer.drain()
    await asyncio.sleep(1000)


async def _ask_without_a_pause(reader, writer, path=b"/ping"):
    """Requests one behind the other, and reading goes on meanwhile."""
    async def read():
        while await reader.read(1 << 16):
            pass
    reading = asyncio.create_task(read())
    many = (HEAD % (b"GET " + path) + b"\r\n") * 500
    while not reading.done():
        writer.write(many)
        await writer.drain()


async def _ask_for_metrics_without_a_pause(reader, writer):
    await _ask_without_a_pause(reader, writer, b"/metrics")


_KINDS = {each.__name__.removeprefix("_").replace("_", " "): each for each in (
    _say_nothing, _say_a_head_byte_by_byte, _begin_a_body_of_a_gigabyte, _leave_a_body_half_said,
    _say_ten_thousand_headers, _never_read_the_events, _ask_without_a_pause, _ask_for_metrics_without_a_pause)}
COUNTS = {"say nothing": 1000, "ask without a pause": 30, "ask for metrics without a pause": 30, "begin a body of a gigabyte": 30, "never read the events": 16}


def exchange_once(address):
    with visit(address) as visitor:
        exchange(visitor)


async def _measure(pipe, address, visits):
    """Seconds that 99 of 100 take at most: a round trip of one who stays, and a whole new visit."""
    trips, new = [], []

    def note(times, action):
        began = time.monotonic()
        action()
        times.append(time.monotonic() - began)

    pipe.send("begun")
    with visit(address) as stays:
        exchange(stays)
        for _ in range(visits):
            note(new, lambda: exchange_once(address))
            for _ in range(5):
                note(trips, lambda: exchange(stays))
    await asked(pipe)
    pipe.send([sorted(times)[len(times) * 99 // 100] for times in (trips, new)])


class Load(unittest.TestCase):
    trust = ()
    serial = True
    timeout = 320
    rounds, visits = 3, 200

    def measured(self, address, look):
        """The median of several rounds, for both."""
        rounds = []
        for _ in range(self.rounds):
            look()
            with Worker(_measure, address, self.visits) as worker:
                rounds.append(worker.report())
            look()
        return [statistics.median(each) for each in zip(*rounds)]

    def test_a_hostile_crowd_keeps_no_visitor_waiting_and_takes_neither_descriptors_nor_memory_beyond_its_bounds(self):
        with SocketOrigin(echo) as origin:
            with Tunnel(origin.address, remote_flags=["--management-addr", f"{HOST}:0"]) as tunnel:
                where = address_of(tunnel, tunnel.remote)
                api, pid = Api(where), tunnel.remote.pid
                quiet = self.measured(tunnel.outside, lambda: None)
                # The crowd takes processor time too, and the machine may have little of it; whoever could block the loop
                # would do so for the seconds that each of them is given.
                bounds = [5 * each + (1.0 if SLOW else 0.25) for each in quiet]
                calm, memory = descriptors(pid), resident_kib(pid)
                most, largest = calm, memory

                def look():
                    nonlocal most, largest
                    most, largest = max(most, descriptors(pid)), max(largest, resident_kib(pid))

                for kind in _KINDS:
                    with self.subTest(kind):
                        with Crowd(kind, parse_address(where), COUNTS.get(kind, 100)) as crowd:
                            crowded = self.measured(tunnel.outside, look)
                            came = crowd.report()
                        print(f"{kind}: {came} came; ms of round trip and visit "
                              f"{[round(each * 1000, 2) for each in crowded]}, without "
                              f"{[round(each * 1000, 2) for each in quiet]}")
                        for measured, bound in zip(crowded, bounds):
                            self.assertLess(measured, bound)
                        # A place is free for somebody else at once.
                        poll(lambda: api.ask("GET", "/ping").status == 200, "it answers again")
                # Those few that visitors take who are on their way.
                self.assertLess(most, calm + MOST_CONNECTIONS + 16)
                self.assertGreater(most, calm + MOST_CONNECTIONS // 2)

                def is_calm():
                    exchange_once(tunnel.outside)  # a listener who has gone shows when he is told something
                    return descriptors(pid) <= calm + 2
                poll(is_calm, "the descriptors are free again")
                print(f"descriptors {calm}, at most {most}; grown by {largest - memory} KiB, {resident_kib(pid) - memory} "
                      "in the end")
                # A body that is allowed, for each connection; a string that grows may be twice as large.
                self.assertLess(largest - memory, (4 if SLOW else 2) * MOST_CONNECTIONS * 1024)

    def test_listeners_of_events_that_never_read_are_let_go_and_their_places_with_them(self):
        with SocketOrigin(echo) as origin, Folder() as folder:
            with Tunnel(origin.address, remote_flags=["--management-addr", folder.socket("remote")]) as tunnel:
                api = Api(folder.socket("remote"))
                for _ in range(16):
                    silent = self.enterContext(api.connect())
                    silent.sendall(HEAD % b"GET /v1/events" + b"\r\n")

                def is_full():
                    return api.ask("HEAD", "/v1/events").status == 503
                poll(is_full, "all of them listen")

                def are_let_go():
                    for _ in range(100):  # events, until the kernel keeps no more of them
                        exchange_once(tunnel.outside)
                    return not is_full()
                poll(are_let_go, "there is a place", 60)
                with api.events() as events:
                    exchange_once(tunnel.outside)
                    events.wait("visitor_opened")


if __name__ == "__main__":
    unittest.main()
