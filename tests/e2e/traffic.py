"""Visitors that never stop coming, origin servers that know who reached them, and what became of each visitor.

Both run in processes of their own, so that neither is held up by the other or by the test. Half of the visitors speak
first, the others wait for the server's greeting, as with ssh: of those nothing can be sent ahead.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import multiprocessing
import random
import signal
import socket
import time

from programs import HOST

PATIENCE = 30.0
GREETING = b"welcome\n"
# A closed connection blocks its port for a minute, so one address has not enough ports for all visitors.
SOURCES = itertools.cycle([f"127.0.0.{number}" for number in range(2, 34)])


@dataclasses.dataclass
class Visit:
    """One that failed."""
    service: str
    address: str  # "ip:port" of the visitor, as the remote proxy sees it
    received: bool  # a byte from the origin server
    error: str
    began: float
    ended: float


class Worker:
    """A process that works until it is asked for its report."""

    def __init__(self, work, *arguments):
        self._pipe, far = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_run, args=(work, far, *arguments), daemon=True)
        self._process.start()
        far.close()
        self.first = self._pipe.recv()
        self._report = None

    def report(self):
        if self._report is None:
            self._pipe.send("enough")
            if not self._pipe.poll(2 * PATIENCE):
                raise AssertionError("no report from the visitors or the servers")
            self._report = self._pipe.recv()
            self._process.join()
        return self._report

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()


def _run(work, pipe, *arguments):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(work(pipe, *arguments))


async def asked(pipe):
    enough = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), enough.set)
    await enough.wait()
    asyncio.get_running_loop().remove_reader(pipe.fileno())


class Servers(Worker):
    """For each label two origin servers, one that greets and one that waits; both take a header of the PROXY protocol,
    version 1, and echo."""

    def __init__(self, labels):
        super().__init__(_serve, labels)

    def address(self, label, service):
        return self.first[label, service]

    def reached(self):
        """Who reached them: ("ip:port" of the visitor, label, time)."""
        return self.report()


async def _serve(pipe, labels):
    reached, addresses = [], {}

    async def serve(label, service, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            _, _, ip, _, port, _ = (await reader.readuntil(b"\r\n")).decode().split()
            reached.append((f"{ip}:{port}", label, time.monotonic()))
            if service == "greets":
                writer.write(GREETING)
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    for label in labels:
        for service in ("echoes", "greets"):
            def accept(reader, writer, label=label, service=service):
                return serve(label, service, reader, writer)
            server = await asyncio.start_server(accept, HOST, 0, backlog=1024)
            addresses[label, service] = server.sockets[0].getsockname()
    pipe.send(addresses)
    await asked(pipe)
    pipe.send(reached)


class Visitors(Worker):
    """`services` are outside addresses by the names "echoes" and "greets". To each go `at_once` visitors at a time,
    who stay for up to a third of a second, and `standing` ones that stay to the end."""

    def __init__(self, services, *, at_once=16, standing=4):
        super().__init__(_visit_all, services, at_once, standing)

    def failures(self):
        """Stops them; gives how many had come, and those that failed."""
        return self.report()


async def _visit_all(pipe, services, at_once, standing):
    failed, count, stop = [], itertools.count(), asyncio.Event()

    async def come_again(service, address):
        while not stop.is_set():
            stays = random.choice((0.0, 0.0, 0.1, 0.3))
            end = time.monotonic() + stays
            await visit(service, address, lambda: time.monotonic() >= end)

    async def visit(service, address, is_over):
        next(count)
        record = Visit(service, "", False, "", time.monotonic(), 0.0)
        try:
            await _visit(record, address, is_over)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            record.error, record.ended = repr(error), time.monotonic()
            failed.append(record)
            await asyncio.sleep(0.01)

    tasks = []
    for service, address in services.items():
        tasks += [come_again(service, address) for _ in range(at_once)]
        tasks += [visit(service, address, stop.is_set) for _ in range(standing)]
    tasks = [asyncio.create_task(task) for task in tasks]
    pipe.send("begun")
    await asked(pipe)
    stop.set()
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()
    pipe.send((next(count), failed))


async def _visit(record, address, is_over):
    visitor = socket.socket()
    visitor.setblocking(False)
    visitor.bind((next(SOURCES), 0))
    record.address = "%s:%d" % visitor.getsockname()  # whatever becomes of it
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(visitor, address), PATIENCE)
    except BaseException:
        visitor.close()
        raise
    reader, writer = await asyncio.open_connection(sock=visitor)
    try:
        if record.service == "greets":
            await _expect(record, reader, GREETING)
        for number in itertools.count():
            message = f"{record.address} {number}\n".encode()
            writer.write(message)
            await _expect(record, reader, message)
            if is_over():
                return
            await asyncio.sleep(0.02)
    finally:
        writer.close()


async def _expect(record, reader, wanted):
    answer = await asyncio.wait_for(reader.readexactly(1), PATIENCE)
    record.received = True
    answer += await asyncio.wait_for(reader.readexactly(len(wanted) - 1), PATIENCE)
    if answer != wanted:
        raise OSError(f"sent {wanted!r}, received {answer!r}")
