"""A cable between two TUN devices on which every packet takes its time; a process of its own, so that no work of a
test delays it further.

    long_cable.py NEAR FAR DELAY        the descriptors of the devices, and seconds for one way

Each line on stdin is a command, answered by a line when it is obeyed; the end of stdin is the end of the cable.

    unplug              packets vanish, also those that are under way
    plug_in             they pass again
    forget SECONDS      as a middle box does: what belongs to TCP connections that were silent for so long vanishes,
                        until they are made anew
"""

import collections
import os
import select
import sys
import time

MOST_UNDER_WAY = 2000  # packets, one way
SYN, ACK = 0x02, 0x10


class Connections:
    """Which TCP connections there are, and which of them are forgotten."""

    def __init__(self):
        self._last_packet, self._forgotten = {}, set()

    def lets_pass(self, packet, now):
        if packet[0] >> 4 != 4 or packet[9] != 6:  # only IPv4 and TCP is looked into
            return True
        tcp = packet[4 * (packet[0] & 15):]
        connection = frozenset([(packet[12:16], tcp[0:2]), (packet[16:20], tcp[2:4])])
        if tcp[13] & (SYN | ACK) == SYN:
            self._forgotten.discard(connection)
        if connection in self._forgotten:
            return False
        self._last_packet[connection] = now
        return True

    def forget(self, silence, now):
        self._forgotten.update(connection for connection, last in self._last_packet.items() if now - last >= silence)


class Way:
    """One of the two ways of the cable."""

    def __init__(self, source, target, delay):
        self.source, self._target, self._delay = source, target, delay
        self._under_way = collections.deque()

    def take(self, passes):
        packet, now = os.read(self.source, 65536), time.monotonic()
        if passes(packet, now) and len(self._under_way) < MOST_UNDER_WAY:
            self._under_way.append((now + self._delay, packet))

    def deliver(self):
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            os.write(self._target, self._under_way.popleft()[1])

    def next_arrival(self):
        return self._under_way[0][0] if self._under_way else float("inf")

    def lose_all(self):
        self._under_way.clear()


def run(near, far, delay):
    ways = {near: Way(near, far, delay), far: Way(far, near, delay)}
    connections, plugged_in = Connections(), True
    print("ready", flush=True)
    while True:
        wait = min(way.next_arrival() for way in ways.values()) - time.monotonic()
        readable = select.select([0, *ways], [], [], None if wait == float("inf") else max(wait, 0))[0]
        for way in ways.values():
            way.deliver()
        for source in readable:
            if source != 0:
                ways[source].take(lambda packet, now: plugged_in and connections.lets_pass(packet, now))
                continue
            command = os.read(0, 4096).decode().split()  # the next one waits for our answer
            if not command:
                return
            if command[0] == "forget":
                connections.forget(float(command[1]), time.monotonic())
            else:
                plugged_in = command[0] == "plug_in"
            if not plugged_in:
                for way in ways.values():
                    way.lose_all()
            print("done", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
