#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets into tests/fuzz/corpus; found inputs that lie there are left alone."""

import pathlib
import re
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"

MAGIC = b"\xf4TRP"
RANDOM = bytes(range(16))
(LOG_IN, WELCOME, REJECT, ANNOUNCE, DIAL_BACK, START, REFUSE, HEARTBEAT, PROBE, NOTICE, GOODBYE,
 DATA, END, RAW, PARK, CHALLENGE, PROOF, OFFER, OPENED, DECLINED, WITHDRAW, SERVER_HEALTH) = range(1, 23)
OF_THE_FUTURE = 200  # a kind, and a tag

BCRYPT = b"$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"

# Choices stand at the end of an input, the last one first (tests/fuzz/input.hpp). The pieces:
WHOLE = b"\xff\xff\xff\xff"
BYTE_BY_BYTE = b"\0\0\0\0"
UNEVEN = b"\x02\x28\x00\x0a"


def field(tag, value):
    return struct.pack(">BH", tag, len(value)) + value


def frame(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">HB", 3 + len(body), kind) + body


CREDENTIAL, NONCE, MAC = field(15, RANDOM), field(16, RANDOM[::-1]), field(17, RANDOM * 2)
NUMBER = field(18, struct.pack(">Q", 7))
MILLISECONDS = field(8, struct.pack(">Q", 15000))
FRAMES = {
    "log-in": frame(LOG_IN, field(1, b"\0\1"), field(2, b"\0\1"), field(4, b"0.1.0"),
                    field(5, b"parking"), field(5, b"other"), field(6, b"default"),
                    field(7, RANDOM), MILLISECONDS),
    "log-in-with-a-credential": frame(LOG_IN, field(1, b"\0\1"), field(2, b"\0\1"), field(4, b"0.1.0"),
                                      field(5, b"parking"), field(6, b"default"), field(7, RANDOM),
                                      CREDENTIAL, NONCE, MILLISECONDS),
    "log-in-with-a-name": frame(LOG_IN, field(1, b"\0\1"), field(2, b"\0\1"), field(4, b"0.1.0"),
                                field(5, b"services"), field(6, b"default"), field(7, RANDOM),
                                CREDENTIAL, NONCE, field(23, b"web1"), MILLISECONDS),
    "log-in-without-its-nonce": frame(LOG_IN, field(1, b"\0\1"), field(2, b"\0\1"), field(4, b"0.1.0"),
                                      field(6, b"default"), field(7, RANDOM), CREDENTIAL, MILLISECONDS),
    "welcome": frame(WELCOME, field(3, b"\0\1"), field(4, b"0.1.0"), field(9, b"192.0.2.1:9000"),
                     field(14, RANDOM), MILLISECONDS),
    "reject-in-use": frame(REJECT, field(10, b"\3"), field(11, b"in use")),
    "announce": frame(ANNOUNCE, field(12, RANDOM), field(13, b"192.0.2.1:50000"),
                      field(6, b"default")),
    "dial-back": frame(DIAL_BACK, field(12, RANDOM)),
    "dial-back-with-a-proof": frame(DIAL_BACK, MAC, field(12, RANDOM)),
    "dial-back-with-half-a-proof": frame(DIAL_BACK, field(17, RANDOM), field(12, RANDOM)),
    "start": frame(START),
    "refuse": frame(REFUSE, field(12, RANDOM), field(11, b"connection refused")),
    "heartbeat": frame(HEARTBEAT),
    "notice-and-a-field-of-the-future": frame(NOTICE, field(OF_THE_FUTURE, b"?"), field(11, b"hi")),
    "goodbye": frame(GOODBYE, field(11, b"shutting down")),
    "park": frame(PARK, field(14, RANDOM)),
    "park-with-a-number": frame(PARK, NUMBER, MAC, field(14, RANDOM)),
    "park-with-a-number-without-its-proof": frame(PARK, NUMBER, field(14, RANDOM)),
    "challenge": frame(CHALLENGE, NONCE, MAC),
    "challenge-without-a-proof": frame(CHALLENGE, NONCE),
    "proof": frame(PROOF, MAC),
    "offer-of-a-port-of-http": frame(OFFER, field(9, b":8080"), NUMBER, field(27, b"\1"), field(28, b"localhost:5173"),
                                     field(29, b"\1"), field(30, b"ann:$2y$05$x"), field(30, b"bob:$6$y"),
                                     field(6, b"web")),
    "offer-of-names": frame(OFFER, NUMBER, field(25, b"\3"), field(26, b"app"), field(26, b"*.x.example"),
                            field(6, b"web")),
    "offer-with-too-many-logins": frame(OFFER, *[field(30, b"a:$x")] * 65, field(6, b"web")),
    "server-is-ill": frame(SERVER_HEALTH, field(6, b"web"), field(19, b"\2"), field(11, b"it answers 503")),
    "server-is-well": frame(SERVER_HEALTH, field(6, b"web"), field(19, b"\1"), field(11, b"")),
    "server-in-a-state-of-the-future": frame(SERVER_HEALTH, field(6, b"web"), field(19, b"\3"), field(11, b"")),
    "server-without-a-state": frame(SERVER_HEALTH, field(6, b"web"), field(11, b"")),
    "proof-too-long": frame(PROOF, field(17, RANDOM * 2 + b"?")),
    "kind-of-the-future": frame(OF_THE_FUTURE, field(11, b"?" * 20)),
    "text-too-long": frame(NOTICE, field(11, b"x" * 1025)),
    "field-beyond-the-end": frame(NOTICE, b"\x0b\xff\xffhi"),
    "size-below-its-own": b"\0\2\10",
}

ALL_FRAMES = b"".join(FRAMES[name] for name in (
    "log-in", "welcome", "announce", "kind-of-the-future", "dial-back", "refuse", "heartbeat"))
PROVEN_FRAMES = b"".join(FRAMES[name] for name in (
    "log-in-with-a-credential", "challenge", "proof", "welcome", "park-with-a-number", "dial-back-with-a-proof"))

PROXY_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxied(command, family, body):
    return PROXY_SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


ENDS_V4 = bytes((192, 0, 2, 1, 198, 51, 100, 7)) + struct.pack(">HH", 50000, 443)
ENDS_V6 = (b"\x20\1\x0d\xb8" + bytes(11) + b"\1") * 2 + struct.pack(">HH", 50000, 443)
MAPPED_V6 = (bytes(10) + b"\xff\xff\xc0\0\2\1") + ENDS_V6[16:]

RECORDED_HELLOS = {
    client: bytes.fromhex("".join(re.findall("[0-9a-f]+", text)))
    for client, text in re.findall(r'RecordedHello\{\s*"([^"]+)",\s*"[^"]*",((?:\s*"[0-9a-f]+")+)\}',
                                   (CORPUS.parent.parent / "support/recorded_hellos.hpp").read_text())
}


def extension(kind, body):
    return struct.pack(">HH", kind, len(body)) + body


def name_list(*names):
    entries = b"".join(struct.pack(">BH", kind, len(name)) + name for kind, name in names)
    return struct.pack(">H", len(entries)) + entries


def hello_message(body):
    return struct.pack(">BBH", 1, 0, len(body)) + body


def tls_record(body, kind=22):
    return struct.pack(">BHH", kind, 0x301, len(body)) + body


HELLO_BODY = b"\3\3" + RANDOM * 2 + b"\x20" + RANDOM * 2 + b"\0\4\x13\1\xc0\x2f\1\0"
HELLO_EXTENSIONS = extension(0, name_list((0, b"a.example")))
HELLO_MESSAGE = hello_message(HELLO_BODY + struct.pack(">H", len(HELLO_EXTENSIONS)) + HELLO_EXTENSIONS)
HELLO = tls_record(HELLO_MESSAGE)

SECRET = b"q3vU0mWcXz8Kd1JtR5yLhB7sNfPa2GoEi6TwVxYk9Qe"
OTHER_SECRET = SECRET[::-1]

STREAMS = {
    "request-and-end": frame(START) + frame(DATA, b"hello ") + frame(DATA, b"world") + frame(END),
    "next-stream-behind-it": frame(DATA, b"one") + frame(END) + frame(ANNOUNCE, b"") +
                             frame(DATA, b"two") + frame(END),
    "raw": frame(START) + frame(DATA, b"head") + frame(RAW) + b"all the rest" * 20,
    "refused": frame(REFUSE, b"connection refused"),
    "refused-without-a-word": frame(REFUSE),
    "kind-of-the-future": frame(OF_THE_FUTURE, b"skipped") + frame(DATA, b"kept") + frame(END),
    "empty-data": frame(DATA) + frame(END),
    "cut": frame(DATA, b"not all of it")[:-3],
    "size-below-its-own": frame(DATA, b"good") + b"\0\1\14",
    "end-with-a-body": frame(DATA, b"x") + frame(END, b"body"),
}

SEEDS = {
    "address": {
        "name": b"example.com:9001", "v4": b"192.0.2.1:80", "v6": b"[2001:db8::1]:80",
        "v6-zone": b"[fe80::1%eth0]:65535", "v4-in-v6": b"[::ffff:192.0.2.1]:1",
        "port-only": b":9000", "port-too-large": b"a:65536", "v6-bare": b"::1:80",
    },
    "cidr": {
        "v4": b"10.0.0.0/8", "v4-all": b"0.0.0.0/0", "v4-alone": b"192.0.2.1", "v4-one": b"192.0.2.1/32",
        "v6": b"2001:db8::/32", "v6-all": b"::/0", "v6-alone": b"2001:db8::1",
        "v4-in-v6": b"::ffff:192.0.2.0/120", "all-v4-in-v6": b"::ffff:0:0/96", "around-v4-in-v6": b"::/80",
        "not-its-first": b"10.0.0.1/8", "too-long": b"10.0.0.0/33", "no-length": b"10.0.0.0/",
        "zone": b"fe80::1%eth0/64", "line-end": b"10.0.0.0/8\n", "zero-byte": b"10.0.0.1\0/8",
        "not-utf-8": b"\xff/8",
    },
    "service": {
        "inside": b"web=localhost:8000", "outside": b"web=localhost:8000@192.0.2.1:80", "port-only": b"web=:8000@80",
        "any-port": b"web=:8000@0", "v6": b"web=[::1]:8000@[::]:80", "range": b"games=localhost:30000-30010@20000-20010",
        "range-inside": b"games=localhost:30000-30010", "sizes-differ": b"a=b:1-2@1-3", "backwards": b"a=b:2-1",
        "too-many": b"a=b:1-1001", "name-too-long": b"n" * 65 + b"=a:1", "name-with-brackets": b"a[0]=b:1",
        "no-name": b"=b:1", "no-address": b"web", "server-at-port-0": b"web=a:0", "not-utf-8": b"\xff=a:1",
        "unix": b"web=unix:/run/app.sock", "unix-outside": b"web=unix:/run/a@b.sock@9000", "unix-range": b"a=unix:/b@1-2",
        "unix-too-long": b"a=unix:/" + b"n" * 107, "unix-relative": b"a=unix:b", "unix-as-a-host": b"a=unix:1@2",
        "unix-zero-byte": b"a=unix:/b\0c", "https-name": b"a=:1@https://app", "http-name": b"a=:1@http://*.x.example",
        "http-port": b"a=:1-2@http://[::1]:80-81", "https-port": b"a=:1@https://:8443",
        "http-name-and-port": b"a=:1@http://b:8",
    },
    "basic_credentials": {
        "rfc-7617": b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "small-letters": b"basic YTo=",
        "bits-left-over": b"Basic YTpiYh==", "no-padding": b"Basic YTo", "bearer": b"Bearer x.y.z",
        "no-colon": b"Basic YWxpY2U=", "no-name": b"Basic OmE=", "line-end": b"Basic YQo6Yg==",
        "plain": b"alice:open sesame",
    },
    "logins": {
        "bcrypt": b"# who may\r\nalice:%s\r\n" % BCRYPT, "twice": b"a:%s\na:%s\n" % (BCRYPT, BCRYPT),
        "sha-256": b"alice:$5$rounds=1000$salt$fn6nUx.sE0fgz/VX03yrwL05pkenQ/0yTOmQ37f3fd4:remark",
        "sha-512": b"alice:$6$saltsalt$" + b"x" * 86, "too-many-rounds": b"a:$5$rounds=999999999$s$" + b"x" * 43,
        "yescrypt": b"alice:$y$j75$F5Jx5fExrKuPp53xLKQ..1$b9ipOqv8PnW5AVU85r73I0FOIAcGICbbCril3UpGHU0",
        "too-costly": b"alice:$2y$31" + BCRYPT[6:], "md5": b"a:$apr1$L6VzOOld$mvTpSCHNEdqdww.2EHdrM0",
        "des": b"a:.OUYksj6tYmsw", "sha-1": b"a:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=", "plain": b"alice:hunter2",
        "control": b"al\x1bice:%s" % BCRYPT, "no-name": b":%s" % BCRYPT, "nothing": b"\n# x\n",
    },
    "own_answer": {
        "browser": b"text/html,application/xhtml+xml,*/*;q=0.8\napp.example.com\nweb\x04",
        "json": b"application/json;q=0.9, text/plain;q=0.5\napp.example.com\nweb\x66",
        "markup": b"text/html\n<script>&'\"\n\"\\\r\nX: y\x01", "url": b"*/*\nhttp://a:b@c/d?e#f\n\x00",
        "ranges": b"text/*;level=1;q=0, */*;q=1.000, application/problem+json ;Q=.5,,;\n\n\x02",
    },
    "http_status": {
        "ok": b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody", "no-reason": b"HTTP/1.0 503\r\n",
        "hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\n",
        "other-version": b"HTTP/2 200\r\n", "ssh": b"SSH-2.0-OpenSSH_9.2\r\n", "cut": b"HTTP/1.1 30",
        "bare-line-feed": b"HTTP/1.1 200 OK\n\n", "upgrade": b"HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200\r\n",
    },
    "identity": {
        "control": b"c" + RANDOM, "data": b"d" + RANDOM + RANDOM[::-1], "empty": b"", "kind-only": b"c",
        "control-too-short": b"c" + RANDOM[1:], "control-too-long": b"c" + RANDOM + b"?",
        "data-as-control": b"c" + RANDOM * 2, "control-as-data": b"d" + RANDOM,
        "kind-of-the-future": b"e" + RANDOM, "zero-bytes": b"d" + bytes(32),
    },
    "secrets_file": {
        "one": b'[origins.home]\nsecret = "%s"\n' % SECRET,
        "two": b'[origins.home]\nsecret = "%s"\n\n[origins."office.2"]\nsecret = "%s"\n' % (SECRET, OTHER_SECRET),
        "old-and-new": b'[origins.home]\nsecrets = ["%s", # old\n "%s"]\n' % (SECRET, OTHER_SECRET),
        "inline": b'origins = { home = { secret = "%s" } }' % SECRET,
        "twins": b'[origins.a]\nsecret = "%s"\n[origins.b]\nsecret = "%s"\n' % (SECRET, SECRET),
        "too-short": b'[origins.a]\nsecret = "too-short-for-this-0"\n',
        "two-words": b'[origins.a]\nsecret = "%s %s"\n' % (SECRET, SECRET),
        "quote-missing": b'[origins.a]\nsecret = "%s\n' % SECRET,
        "no-quotes": b"[origins.a]\nsecret = %s\n" % SECRET,
        "number": b"[origins.a]\nsecret = 12\n", "no-table": b"[origins]\na = 1\n", "empty": b"",
        "secret-as-key": b'[origins.a]\n"%s" = "secret"\n' % SECRET,
        "secret-as-table": b'["%s"]\n' % SECRET,
        "key-of-two-lines": b'"a\\nb" = 1\n', "name-of-two-lines": b'[origins."a\\nb"]\nsecret = 1\n',
        "unknown-key": b"[origins.a]\npassword = 1\n", "no-secrets": b"[origins.a]\nsecrets = []\n",
        "twice": b'[origins.a]\nsecret = "%s"\nsecret = "%s"\n' % (SECRET, OTHER_SECRET),
        "deep": b"a = " + b"[" * 300, "not-utf-8": b'[origins.a]\nsecret = "\xff\xfe"\n',
        "line-in-three-quotes": b'[origins.a]\nsecret = """\n%s"""\n' % SECRET,
        "number-before-a-list": b'[origins.a]\nsecrets =2["q3vU0mWcXz8Kd1JtR5yLhB7sNfPa???????", "GoEi6Tw[origins.VxYk9Qe"]\n',
        "name-of-many-parts": b"[" + b"a." * 2000 + b"a]\n",
        "byte-order-mark": b'\xef\xbb\xbf[origins.a]\nsecret = "%s"\n' % SECRET,
    },
    "duration": {
        "h": b"10000h", "m": b"90m", "s": b"007s", "ms": b"250ms", "us": b"50us", "none": b"0",
        "too-long": b"10001h", "overflow": b"9223372036854775808us", "minus-nothing": b"-0",
        "no-unit": b"5",
        "rate": b"512KiB/s", "bits": b"100Mbit/s", "fastest": b"1000GB/s", "slow": b"1023B/s",
    },
    "log": {
        "plain": b"connection refused", "quotes": b'say "hello" \\ world', "empty": b"",
        "forged-line": b"x\n2026-11-21T00:00:00.000Z info  forged a=b", "colour": b"\x1b[31mred",
        "utf-8": "größer als 1 €".encode(), "not-utf-8": b"\xff\xfe\xc0\x80\xed\xa0\x80",
        "c1-control": b"\xc2\x9b31m", "field-like": b"reason=none",
    },
    "proxy_header": {
        "v1-ipv4": b"PROXY TCP4 192.0.2.1 198.51.100.7 50000 443\r\nGET / HTTP/1.1\r\n\r\n",
        "v1-ipv6": b"PROXY TCP6 2001:db8::1 2001:DB8::2 0 65535\r\n",
        "v1-ipv4-in-ipv6": b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n",
        "v1-unknown": b"PROXY UNKNOWN\r\n", "v1-unknown-with-more": b"PROXY UNKNOWN ffff:: \0 x\r\n",
        "v1-two-spaces": b"PROXY TCP4  192.0.2.1 198.51.100.7 50000 443\r\n",
        "v1-leading-zero": b"PROXY TCP4 192.0.2.1 198.51.100.7 50000 0443\r\n",
        "v1-wrong-family": b"PROXY TCP6 192.0.2.1 198.51.100.7 50000 443\r\n",
        "v1-line-feed-only": b"PROXY TCP4 192.0.2.1 198.51.100.7 50000 443\n",
        "v1-too-long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "v1-cut": b"PROXY TCP4 192.0.2.1 19",
        "v2-ipv4": proxied(0x21, 0x11, ENDS_V4) + b"SSH-2.0-", "v2-ipv6": proxied(0x21, 0x21, ENDS_V6),
        "v2-ipv4-in-ipv6": proxied(0x21, 0x21, MAPPED_V6),
        "v2-with-an-extension": proxied(0x21, 0x11, ENDS_V4 + b"\1\0\2h2"),
        "v2-udp": proxied(0x21, 0x12, ENDS_V4), "v2-unix": proxied(0x21, 0x31, b"/a".ljust(216, b"\0")),
        "v2-local": proxied(0x20, 0, b""), "v2-local-with-more": proxied(0x20, 0x77, ENDS_V4),
        "v2-unspecified": proxied(0x21, 0, b"?"), "v2-too-short": proxied(0x21, 0x21, ENDS_V4),
        "v2-giant": PROXY_SIGNATURE + b"\x21\x11\xff\xff" + ENDS_V4, "v2-cut": proxied(0x21, 0x11, ENDS_V4)[:-1],
        "v2-unknown-version": proxied(0x31, 0x11, ENDS_V4), "v2-unknown-family": proxied(0x21, 0x41, ENDS_V4),
        "http": b"GET / HTTP/1.1\r\n\r\n", "empty": b"",
    },
    "http_connect": {
        "agreed": b"HTTP/1.1 200 Connection established\r\n\r\n\x16\3\1", "no-reason": b"HTTP/1.0 200\r\n\r\n",
        "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: a\r\n\r\n",
        "body": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        "login": b'HTTP/1.1 407 Who\r\nProxy-Authenticate: NTLM, Basic realm="a, b"\r\n\r\n',
        "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden", "switched": b"HTTP/1.1 101 x\r\n\r\n",
        "line-feed-only": b"HTTP/1.1 200 OK\n\n", "socks": b"\5\xff", "cut": b"HTTP/1.1 200 OK\r\nVia: a\r\n\r",
    },
    "socks5": {
        "without-login": b"\5\0", "with-password": b"\5\2", "no-method": b"\5\xff", "login-taken": b"\1\0",
        "login-refused": b"\1\1", "reply-ipv4": b"\5\0\0\1\x7f\0\0\1\x1f\x90SSH-2.0", "reply-cut": b"\5\0\0\4" + bytes(17),
        "reply-ipv6": b"\5\0\0\4" + bytes(15) + b"\1\x1f\x90", "reply-name": b"\5\0\0\3\5proxy\x1f\x90",
        "refused": b"\5\5\0\1" + bytes(6), "unknown-kind": b"\5\0\0\2" + bytes(6), "http": b"HTTP/1.1 400 Bad\r\n\r\n",
    },
    "forward_proxy": {
        "http": b"http://proxy.example:3128/", "login": b"http://ann:p%40ss:w/o@rd@192.0.2.1:8080", "ipv6": b"socks5://[::1]",
        "socks5h": b"SOCKS5H://ann@proxy:1", "no-scheme": b"proxy:3128", "https": b"https://proxy:443", "no-port": b"http://a",
        "masked": b"http://ann:***@proxy:1", "percent": b"http://a%4:b@c:1", "list": b"localhost, .lan,10.0.0.0/8 [::1],*.x,*",
    },
    "command_line": {
        "remote": b"remote-proxy\0--control-addr\0:9001\0--outside-addr\0:9000\0",
        "origin": b"origin-proxy\0--remote-proxy-addr=example.com:9001\0"
                  b"--origin-server-addr=[::1]:80\0",
        "remote-all": b"remote-proxy\0--control-addr=:1\0--outside-addr=:2\0--pairing-timeout=5s\0"
                      b"--max-waiting=7\0--heartbeat-interval=1s\0--heartbeat-timeout=3s\0"
                      b"--half-close-timeout=0\0--idle-timeout=1h\0--grace-period=0\0"
                      b"--relay-threads=2\0--spin=0\0--congestion=off\0--log-level=debug\0"
                      b"--log-format=json\0",
        "origin-all": b"origin-proxy\0--remote-proxy-addr=a:1\0--origin-server-addr=b:2\0"
                      b"--dial-timeout=250ms\0--max-retries=3\0--parked-connections=auto\0",
        "origin-services": b"origin-proxy\0--remote-proxy-addr=a:1\0--service=web=:8000@80,games=b:1-3@4-6\0"
                           b"--service\0mail=c:25\0--proxy-protocol=v2\0",
        "origin-unix": b"origin-proxy\0--remote-proxy-addr=a:1\0--origin-server-addr=unix:/run/app.sock\0",
        "origin-remotes": b"origin-proxy\0--remote-proxy-addr=a:1,[::1]:2\0--remote-proxy-addr=a:3\0"
                          b"--origin-server-addr=b:2\0",
        "origin-remote-twice": b"origin-proxy\0--remote-proxy-addr=a:1,a:1\0--origin-server-addr=b:2\0",
        "origin-both-ways": b"origin-proxy\0--remote-proxy-addr=a:1\0--service=web=:1\0--origin-server-addr=:2\0",
        "remote-trust": b"remote-proxy\0--control-addr=:1\0--outside-addr=:2\0--secrets-file=s\0--encryption=off\0"
                        b"--allow=10.0.0.0/8,::1\0--deny=192.0.2.1\n192.0.2.2\0--trusted=::/0\0"
                        b"--max-connections=9\0--max-connections-per-ip=2\0--max-new-per-second-per-ip=3\0"
                        b"--sandbox=off\0",
        "remote-certificate": b"remote-proxy\0--control-addr=:1\0--outside-addr=:2\0--tls-cert=c\0--tls-key=k\0"
                              b"--tls-client-ca=a\0",
        "origin-trust": b"origin-proxy\0--remote-proxy-addr=a:1\0--origin-server-addr=b:2\0--secret-file=s\0",
        "secret-as-a-flag": b"origin-proxy\0--secret=hush\0", "contradiction": b"r\0--tls-cert=c\0",
        "network-that-is-none": b"r\0--control-addr=:1\0--outside-addr=:2\0--allow=10.0.0.1/8\0",
        "origin-through": b"origin-proxy\0--remote-proxy-addr=a:1\0--origin-server-addr=b:2\0"
                          b"--connect-through=socks5://ann@c:3\0--connect-through-password-file=d\0",
        "password-as-a-flag": b"origin-proxy\0--connect-through=http://ann:hush@c:3\0",
        "check": b"remote-proxy\0check\0--control-addr=:1\0--outside-addr=:2\0--allow-ports=1-2,9\0--watch\0",
        "print-config": b"origin-proxy\0print-config\0--remote-proxy-addr=a:1\0--origin-server-addr=b:2\0",
        "status": b"origin-proxy\0status\0--management-addr=unix:/x\0--json\0--watch\0",
        "visitors": b"remote-proxy\0visitors\0--management-addr\0:1\0--service=a\0--origin\0b\0",
        "drain": b"remote-proxy\0drain\0--management-addr=:1\0a\0--origin\0", "resume": b"r\0resume\0",
        "config": b"origin-proxy\0--config\0/nowhere/c.toml\0",
        "help": b"remote-proxy\0--help\0", "version": b"origin-proxy\0-V\0",
        "unknown-flag": b"origin-proxy\0--no-such-flag\0x\0", "no-value": b"o\0--spin\0",
        "twice": b"r\0--control-addr=a:1\0--control-addr=b:2\0--outside-addr=:2\0",
        "positional": b"r\0--\0--control-addr\0", "short": b"r\0-hV\0",
    },
    "configuration": {
        **{f"remote-{name}": b'control-addr = ":9001"\noutside-addr = ":9000"\n' + text + b"r" for name, text in {
            "flags": b'max-waiting = 4096\ngrace-period = "30s"\nallow = ["10.0.0.0/8", "::1"]\nwatch = true\n'
                     b'allow-ports = ["20000-20100", 9000]\n',
            "services": b'[services.web]\noutside-addr = "h:80"\nbalance = "first"\nmax-connections = 5\n'
                        b'deny = "::/0"\naccept-proxy-from = ["10.0.0.1"]\nforeign-proxy-header = "reset"\n[services.b]\n'
                        b'outside-addr = ":20000-20009"\nkind = "tcp"\n',
            "origins": b'[origins.a]\nsecret = "%s"\nallow-ports = 80\n[origins."b.c"]\nsecrets = ["%s"]\n'
                       b'[services.s]\noutside-addr = "h:1"\norigins = ["a"]\n' % (SECRET, OTHER_SECRET),
            "secret-file": b'[origins.a]\nsecret-file = ["s", "t"]\n', "masked": b'[origins.a]\nsecret = "***"\n',
            "twins": b'[origins.a]\nsecret = "%s"\n[origins.b]\nsecret = "%s"\n' % (SECRET, SECRET),
            "stray-secret": b'secret = "%s"\n[services.a]\nsecret = "%s"\n' % (SECRET, SECRET),
            "overlaps": b'[services.a]\noutside-addr = "h:1-9"\n[services.b]\noutside-addr = ":5"\n',
            "unknown-origin": b'[services.a]\noutside-addr = "h:1"\norigins = "b"\n[origins.c]\nsecret-file = "s"\n',
            "unknown-keys": b'max-wating = 1\nport = 2\n[services.a]\nprot = 3\n', "udp": b'[services.a]\nkind = "udp"\n',
            "wrong-types": b'allow = 1\ninclude = {}\nservices = 1.5\norigins = 1979-05-27\nspin = [[1]]\n',
            "no-toml": b"= 1\n", "twice": b'outside-addr = ":1"\n', "deep": b"a = " + b"[" * 300,
        }.items()},
        **{f"origin-{name}": b'remote-proxy-addr = "a:9001"\n' + text + b"o" for name, text in {
            "flags": b'origin-server-addr = ":8000"\nmax-retries = 3\ntls-insecure = true\n',
            "services": b'[services.a]\norigin-server-addr = "s:1"\nproxy-protocol = "v2"\n[services.b]\n'
                        b'origin-server-addr = ":10-19"\noutside-addr = "[::]:20-29"\n',
            "remotes": b'origin-server-addr = ":1"\n[remote-proxies.b]\naddr = "b:1"\nsecret-file = "s"\n'
                       b'[remote-proxies.c]\naddr = "c:1"\nencryption = "tls"\ntls-ca = "ca"\ntls-server-name = "n"\n'
                       b'tls-cert = "cert"\ntls-key = "key"\n',
            "through": b'origin-server-addr = ":1"\nconnect-through = "http://ann:hush@proxy:3128"\n',
            "remote-twice": b'origin-server-addr = ":1"\n[remote-proxies.b]\naddr = "a:9001"\nsecret = "x"\n',
            "both-ways": b'origin-server-addr = ":1"\n[services.a]\norigin-server-addr = ":2"\n',
            "health": b'health-check = "tcp"\nhealth-check-interval = "1s"\n[services.a]\norigin-server-addr = "s:1"\n'
                      b'health-check = "http:/healthz"\nhealth-check-timeout = "250ms"\nhealth-check-failures = 5\n'
                      b'health-check-successes = "1"\n',
            "health-path": b'[services.a]\norigin-server-addr = "s:1"\nhealth-check = "http:/a b"\n',
            "unix": b'[services.a]\norigin-server-addr = "unix:/run/app.sock"\noutside-addr = ":1"\n',
            "unix-range": b'[services.a]\norigin-server-addr = "unix:/run/app.sock"\noutside-addr = ":1-2"\n',
            "sizes": b'[services.a]\norigin-server-addr = ":1-2"\noutside-addr = ":1-3"\n',
            "too-many": b'[services.a]\norigin-server-addr = ":1-1000"\n[services.b]\norigin-server-addr = ":1"\n',
        }.items()},
        "empty": b"",
    },
    "frame": FRAMES,
    "take_frame": {
        "all-whole": ALL_FRAMES + WHOLE, "all-byte-by-byte": ALL_FRAMES + BYTE_BY_BYTE,
        "proven": PROVEN_FRAMES + UNEVEN,
        "malformed-behind-a-good-one": FRAMES["announce"] + FRAMES["text-too-long"] + UNEVEN,
        "cut": FRAMES["welcome"][:-1] + UNEVEN,
        "larger-than-a-first-frame": frame(OF_THE_FUTURE, b"x" * 4094) + WHOLE,
        "too-many-unknown": frame(OF_THE_FUTURE) * 17 + FRAMES["start"] + UNEVEN,
    },
    # Behind the stream, or the part of a hello: which of them it is, and how it is cut into records.
    "hello_name": {
        **{client: hello + b"\0" for client, hello in RECORDED_HELLOS.items()},
        "stream": HELLO + b"\0", "cut": HELLO[:-1] + b"\0", "with-more": HELLO + b"\x17\3\3\0\1x" + b"\0",
        "in-two-records": tls_record(HELLO_MESSAGE[:20]) + tls_record(HELLO_MESSAGE[20:]) + b"\0",
        "another-record-within": tls_record(HELLO_MESSAGE[:20]) + tls_record(b"\1\0", 21) + b"\0",
        "empty-record-within": tls_record(HELLO_MESSAGE[:20]) + tls_record(b"") + b"\0",
        "too-many-records": b"".join(tls_record(bytes([each])) for each in HELLO_MESSAGE) + b"\0",
        "too-large": b"\x16\3\1\x40\0\1\0\x3f\xfd" + b"\0", "ssl-2": b"\x80\x2e\1\0\2\0\x15\0\0\0\x10" + b"\0",
        "http": b"GET / HTTP/1.1\r\n" + b"\0", "http-2": b"PRI * HTTP/2.0\r\n" + b"\0", "ssh": b"SSH-2.0-x\r\n" + b"\0",
        "message": HELLO[9:] + b"\1", "message-without-extensions": HELLO_BODY + b"\1",
        "message-in-records": RECORDED_HELLOS["firefox"][9:] + b"\xf9",
        "extensions": extension(0, name_list((0, b"a.example"))) + extension(16, b"\0\3\2h2") + b"\2",
        "two-server-names": extension(0, name_list((0, b"a.b"))) * 2 + b"\2",
        "name": name_list((0, b"App.Example.com.")) + b"\3", "ip": name_list((0, b"192.0.2.1")) + b"\3",
        "name-of-another-type": name_list((1, b"x"), (0, b"a.b")) + b"\3", "zero": name_list((0, b"a.b\0c.d")) + b"\3",
        "two-names": name_list((0, b"a.b"), (0, b"c.d")) + b"\3", "no-names": name_list() + b"\3",
        "long-name": name_list((0, b"a" * 60 + b".b" * 97)) + b"\xff", "empty-name": name_list((0, b"")) + b"\3",
    },
    # Behind the pieces: whether the handshake is over.
    "record_guard": {
        "hello": b"\x16\x03\x01\0\x0c\x01\0\0\x08" + b"h" * 8 + WHOLE + b"\0",
        "hello-in-records": b"".join(b"\x16\x03\x01\0\1" + bytes([each]) for each in b"\x01\0\0\x02hi") + UNEVEN + b"\0",
        "hello-too-large": b"\x16\x03\x01\0\4\x01\0\x40\0" + BYTE_BY_BYTE + b"\0",
        "two-messages": b"\x16\x03\x03\0\x0a\x02\0\0\x02hi\x08\0\0\0" + UNEVEN + b"\0",
        "empty-records": b"\x17\x03\x03\0\0" * 70 + UNEVEN + b"\0",
        "key-updates": (b"\x17\x03\x03\0\x16" + b"k" * 22) * 35 + UNEVEN + b"\1",
        "long-record-without-data": b"\x17\x03\x03\4\1" + b"k" * 1025 + b"\x17\x03" + WHOLE + b"\1",
        "cut": b"\x17\x03\x03\0\x16kk" + WHOLE + b"\1",
    },
    "first_frame": {
        "log-in": MAGIC + FRAMES["log-in"] + WHOLE,
        "log-in-byte-by-byte": MAGIC + FRAMES["log-in"] + BYTE_BY_BYTE,
        "dial-back-and-a-stream": MAGIC + FRAMES["dial-back"] + b"GET / HTTP/1.1\r\n" + UNEVEN,
        "park": MAGIC + FRAMES["park"] + WHOLE,
        "log-in-with-a-credential-and-its-proof": MAGIC + FRAMES["log-in-with-a-credential"] + FRAMES["proof"] +
                                                  UNEVEN,
        "dial-back-with-a-proof": MAGIC + FRAMES["dial-back-with-a-proof"] + WHOLE,
        "park-with-a-number": MAGIC + FRAMES["park-with-a-number"] + BYTE_BY_BYTE,
        "proof-first": MAGIC + FRAMES["proof"] + WHOLE,
        "kind-of-the-future-before": MAGIC + FRAMES["kind-of-the-future"] + FRAMES["log-in"] + WHOLE,
        "http": b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n" + WHOLE,
        "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + WHOLE,
        "too-small": MAGIC + FRAMES["heartbeat"] + UNEVEN,
        "too-large": MAGIC + b"\x10\x01\x01" + b"x" * 30 + UNEVEN,
        "largest": MAGIC + frame(OF_THE_FUTURE, b"x" * 4093) + FRAMES["park"] + WHOLE,
        "cut": MAGIC + FRAMES["log-in"][:-1] + UNEVEN,
        "half-a-magic": MAGIC[:2] + WHOLE,
    },
    "frame_reader": {
        "many-whole": ALL_FRAMES + WHOLE + b"\0",
        "many-byte-by-byte": ALL_FRAMES + BYTE_BY_BYTE + b"\0",
        "one-by-one": ALL_FRAMES + UNEVEN + b"\1",
        "proven": PROVEN_FRAMES + UNEVEN + b"\0",
        "many-larger-than-the-buffer": frame(OF_THE_FUTURE, b"x" * 5000) + FRAMES["goodbye"] +
                                       WHOLE + b"\0",
        "one-by-one-too-large": frame(OF_THE_FUTURE, b"x" * 4094) + WHOLE + b"\1",
        "malformed": FRAMES["announce"] + FRAMES["field-beyond-the-end"] + UNEVEN + b"\0",
        "one-by-one-too-many-unknown": frame(OF_THE_FUTURE, b"x" * 20) * 17 + FRAMES["start"] + UNEVEN + b"\1",
    },
    # Behind the pieces: whether some was received before, budget, buffer.
    "frames_off": {
        **{name: bytes_ + WHOLE + b"\0\xff\0" for name, bytes_ in STREAMS.items()},
        "byte-by-byte": STREAMS["next-stream-behind-it"] + BYTE_BY_BYTE + b"\1\0\1",
        "raw-in-a-small-buffer": STREAMS["raw"] + UNEVEN + b"\1\x20\1",
        "more-than-the-receiver-takes": frame(DATA, b"x" * 9000) + frame(END) + WHOLE + b"\0\xff\0",
    },
    # The visitor's bytes, two NUL, the server's; then sizes of pieces, their order, the end, choices.
    "http_exchange": {
        name: visitor + b"\0\0" + server + how
        for name, visitor, server, how in (
            ("get", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
             b"\xff\xff\0\0\2"),
            ("pipelined", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
                          b"GET / HTTP/1.1\r\nHost: b\r\n\r\nGE",
             b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
             b"\7\7\x55\0\2"),
            ("bodies", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                       b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\n[]\r\n0\r\nA: b\r\n\r\n",
             b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
             b"HTTP/1.1 204 No Content\r\n\r\n", b"\0\0\x33\0\x12"),
            ("until-the-end", b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nall of it", b"\3\3\1\0\x10"),
            ("early", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n123456789",
             b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n", b"\1\xff\xaa\2\2"),
            ("upgrade", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x80",
             b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\0",
             b"\xff\xff\0\0\2"),
            ("unasked", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT",
             b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 408 Request Timeout\r\n\r\n", b"\xff\xff\1\0\2"),
            ("lost", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
             b"HTTP/1.1 103 Early Hints\r\n\r\n", b"\xff\xff\0\2\x22"),
            ("closes", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2,
             b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"\xff\xff\x55\0\2"),
            ("malformed", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
             b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\xff\xff\0\0\2"),
        )
    },
    "http_answer": {
        name: bytes_ + pieces
        for name, bytes_, pieces in (
            ("redirect", b"GET /a?b HTTP/1.1\r\nHost: app.example.com\r\n\r\n", WHOLE),
            ("two", b"HEAD /a HTTP/1.1\r\nHost: App.example.com.:80\r\n\r\n" * 2, UNEVEN),
            ("post", b"POST / HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 9\r\n\r\nabc", UNEVEN),
            ("chunked", b"PUT //evil HTTP/1.1\r\nHost: app.example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"1\r\na\r\n0\r\n\r\n", BYTE_BY_BYTE),
            ("whole-url", b"GET http://app.example.com?b HTTP/1.1\r\nHost: app.example.com\r\n\r\n", WHOLE),
            ("another-host", b"GET http://app.example.com/ HTTP/1.1\r\nHost: evil\r\n\r\n", WHOLE),
            ("encoded", b"GET /%0d%0aA:%20b HTTP/1.1\r\nHost: app.example.com\r\n\r\n", UNEVEN),
            ("challenge", b"GET /.well-known/acme-challenge/a-b_C9 HTTP/1.1\r\nHost: [::1]\r\n\r\n", WHOLE),
            ("no-token", b"GET /.well-known/acme-challenge/../x HTTP/1.0\r\n\r\n", WHOLE),
            ("nobody", b"GET / HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n", BYTE_BY_BYTE),
            ("tls", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", WHOLE),
            ("another-protocol", b"SSH-2.0-OpenSSH_9.2\r\n", BYTE_BY_BYTE),
        )
    },
    "management_answer": {
        name: bytes_ + pieces
        for name, bytes_, pieces in (
            ("ok", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTunnel-Kept: state-file\r\n\r\n{}", WHOLE),
            ("refusal", b"HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n404 Not Found\n", BYTE_BY_BYTE),
            ("empty", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", UNEVEN),
            ("chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", UNEVEN),
            ("without-a-length", b"HTTP/1.1 200 OK\r\n\r\n{}", WHOLE),
            ("cut-short", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", WHOLE),
            ("too-long", b"HTTP/1.1 200 OK\r\nContent-Length: 257\r\n\r\n" + b"x" * 257, UNEVEN),
            ("another-protocol", b"SSH-2.0-OpenSSH_9.2\r\n", BYTE_BY_BYTE),
        )
    },
    "management_request": {
        name: bytes_ + pieces
        for name, bytes_, pieces in (
            ("get", b"GET /ping HTTP/1.1\r\nHost: localhost:9057\r\n\r\n", WHOLE),
            ("two-gets", b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 2, UNEVEN),
            ("put", b"PUT /tunnels HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n"
                    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", UNEVEN),
            ("chunked", b"PUT /a%2F?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"2;x=y\r\n[]\r\n0\r\nTrailer: x\r\n\r\n", BYTE_BY_BYTE),
            ("expect", b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n1", WHOLE),
            ("old", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", WHOLE),
            ("two-lengths", b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                            b"0\r\n\r\n", WHOLE),
            ("folded", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", BYTE_BY_BYTE),
            ("endless-chunk-line", b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   b"1;" + b"x" * 600 + b"\r\n1\r\n0\r\n\r\n", UNEVEN),
            ("too-long", b"GET /" + b"a" * 600 + b" HTTP/1.1\r\nHost: a\r\n\r\n", UNEVEN),
        )
    },
    # Behind the pieces: of what kind the body is (from 192 on: of a length).
    "body_scanner": {
        name: bytes_ + pieces + kind
        for name, bytes_, pieces, kind in (
            ("empty", b"0\r\n\r\n", WHOLE, b"\0"),
            ("chunks", b"5\r\nhello\r\nA;a=\"b c\" ; d\r\n0123456789\r\n000\r\n\r\nGET /", UNEVEN, b"\0"),
            ("trailers", b"1 \r\nx\r\n0\r\nServer-Timing: a;dur=1\r\nX-Sum:\r\n\r\n", BYTE_BY_BYTE, b"\0"),
            ("trailer-of-the-length", b"0\r\nContent_Length: 5\r\n\r\n", WHOLE, b"\0"),
            ("largest-chunk", b"7fffffffffffffff\r\nabc", WHOLE, b"\0"),
            ("negative-chunk", b"ffffffffffffffff\r\nabc", WHOLE, b"\0"),
            ("bare-lf", b"5\nhello\n0\n\n", UNEVEN, b"\0"),
            ("bare-cr", b"5;a\rb\r\nhello\r\n0\r\n\r\n", UNEVEN, b"\0"),
            ("line-end-in-quotes", b"0000; a=\"b5;0\r\n\r\n", WHOLE, b"\0"),
            ("data-too-long", b"5\r\nhello0\r\n\r\n", WHOLE, b"\0"),
            ("length", b"0\r\n\r\nGET / HTTP/1.1\r\n", UNEVEN, b"\xc5"),
        )
    },
    "request_head": {
        name: bytes_ + pieces
        for name, bytes_, pieces in (
            ("get", b"GET /a?b HTTP/1.1\r\nHost: App.example.com:80\r\nAccept: */*\r\n\r\nGET ", WHOLE),
            ("empty-lines", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BYTE_BY_BYTE),
            ("length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
                       b"abcGET", UNEVEN),
            ("chunked", b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
                        b"2;x=y\r\n[]\r\n0\r\nX-Sum: x\r\n\r\nGET /", UNEVEN),
            ("both-lengths", b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n", WHOLE),
            ("misspelt", b"PUT / HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\nX_Forwarded_For: ::1\r\n\r\n", WHOLE),
            ("whole-url", b"OPTIONS http://[::1]:80 HTTP/1.1\r\nHost: [::1]\r\n\r\n", WHOLE),
            ("whole-server", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", BYTE_BY_BYTE),
            ("old", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", UNEVEN),
            ("upgrade", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Hop\r\n"
                        b"Upgrade: websocket\r\nX-Hop: 1\r\n\r\n", WHOLE),
            ("upgrade-to-http-2", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                                  b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", UNEVEN),
            ("forwarded", b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ::1, 192.0.2.1\r\n"
                          b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
                          b"Forwarded: for=\"[::1]\"\r\nX-Real-IP: ::1\r\n\r\n", UNEVEN),
            ("authorized", b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n", WHOLE),
            ("folded", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", BYTE_BY_BYTE),
            ("bare-cr", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rTransfer-Encoding: chunked\r\n\r\n", WHOLE),
            ("http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UNEVEN),
            ("tls", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", WHOLE),
            ("another-protocol", b"SSH-2.0-OpenSSH_9.2\r\n", BYTE_BY_BYTE),
        )
    },
    # Behind the pieces: whether to HEAD, whether the visitor's connection stays, whether it speaks HTTP/1.0.
    "response_head": {
        name: bytes_ + pieces + how
        for name, bytes_, pieces, how in (
            ("ok", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: x\r\n\r\n{}HTTP/1.1 ", WHOLE, b"\2"),
            ("chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", UNEVEN, b"\2"),
            ("until-end", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n{}", BYTE_BY_BYTE, b"\6"),
            ("to-head", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1", WHOLE, b"\1"),
            ("no-content", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", WHOLE, b"\2"),
            ("no-reason", b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", BYTE_BY_BYTE, b"\2"),
            ("continue", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", UNEVEN, b"\4"),
            ("switching", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                          b"Upgrade: websocket\r\n\r\n\x81\0", WHOLE, b"\2"),
            ("bound", b"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=a, NTLM\r\nContent-Length: 0\r\n\r\n", UNEVEN, b"\2"),
            ("both-lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", WHOLE, b"\0"),
            ("hops", b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n", WHOLE, b"\0"),
            ("another-protocol", b"SSH-2.0-OpenSSH_9.2\r\n", BYTE_BY_BYTE, b"\0"),
        )
    },
    # Behind the pieces: budget, pieces before the start, both buffers, how.
    "frames_on_and_off": {
        "nothing": WHOLE + b"\xff\0\0\0\0",
        "small": b"hello world" + UNEVEN + b"\xff\0\0\0\0",
        "raw-by-a-small-buffer": b"hello world, and all the rest" * 9 + UNEVEN + b"\x10\0\1\1\0",
        "more-than-the-receiver-takes": b"x" * 9000 + WHOLE + b"\xff\0\3\2\0",
        "start-waits-for-a-piece": b"hello" + WHOLE + b"\xff\0\0\0\2",
        "start-waits-for-the-end": WHOLE + b"\xff\0\0\0\2",
        "peeked-at": b"GET / HTTP/1.1\r\n\r\nand more" + UNEVEN + b"\xff\2\0\1",
    },
}

for target, seeds in SEEDS.items():
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (folder / name).write_bytes(content)
