"""What a TLS client says first, made by hand, for names and forms that no library sends; and handshakes whose first
words are cut to pieces."""

import contextlib
import os
import ssl

from fronts import read_answer, request_for

TLS_1_2, TLS_1_1 = 0x0303, 0x0302
LARGEST_RECORD = 1 << 14


def _with_size(data, size=2):
    return len(data).to_bytes(size, "big") + data


def _extension(number, data):
    return number.to_bytes(2, "big") + _with_size(data)


def client_hello(name=None, *, padding=0, version=TLS_1_2, alpn=()):
    """The message, without records around it. `name` is bytes; of TLS 1.2 at most."""
    extensions = b""
    if name is not None:
        extensions += _extension(0, _with_size(b"\0" + _with_size(name)))
    extensions += _extension(10, _with_size(bytes.fromhex("001d0017")))  # groups
    extensions += _extension(11, b"\1\0")
    extensions += _extension(13, _with_size(bytes.fromhex("0403080404010805")))  # signatures
    if alpn:
        extensions += _extension(16, _with_size(b"".join(_with_size(each, 1) for each in alpn)))
    if padding:
        extensions += _extension(21, bytes(padding))
    ciphers = bytes.fromhex("c02bc02fc02cc030c013c009")
    body = version.to_bytes(2, "big") + os.urandom(32) + b"\0" + _with_size(ciphers) + b"\1\0" + _with_size(extensions)
    return b"\1" + _with_size(body, 3)


def in_records(message, count=1):
    """The message cut into so many records, none of which is empty."""
    size = -(-len(message) // count)
    pieces = [message[at:at + size] for at in range(0, len(message), size)]
    while len(pieces) < count:  # what was rounded up is missing at the end
        longest = max(range(len(pieces)), key=lambda i: len(pieces[i]))
        piece = pieces[longest]
        pieces[longest:longest + 1] = [piece[:len(piece) // 2], piece[len(piece) // 2:]]
    return b"".join(b"\x16\3\1" + _with_size(piece) for piece in pieces)


def shake_hands(raw, name, context, say_first, *, ask=None, read=read_answer):
    """`say_first(hello)` sends what the library says first. Gives the answer to a request, and the protocol by
    ALPN."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        talk.do_handshake()
    say_first(outgoing.read())

    class Secured:
        """As `read` needs it."""

        @staticmethod
        def recv(size):
            while True:
                try:
                    return talk.read(size)
                except ssl.SSLWantReadError:
                    _take(raw, incoming)

    while True:
        try:
            talk.do_handshake()
            break
        except ssl.SSLWantReadError:
            _take(raw, incoming)
    talk.write(ask or request_for(name))
    raw.sendall(outgoing.read())
    return read(Secured), talk.selected_alpn_protocol()


def _take(raw, incoming):
    piece = raw.recv(1 << 16)
    if not piece:
        raise AssertionError("the stream ended")
    incoming.write(piece)
