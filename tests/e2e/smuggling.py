"""Requests on whose end two readers might disagree.

Each case is (name, bytes, status): `status` is what the visitor has to get, and nothing may reach a server; None: it is
passed on, and the server has to see exactly this one message.
"""

HOST = b"Host: app.example.com\r\n"
SECRET = b"GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(fields, body=b"", first=b"POST / HTTP/1.1\r\n", host=HOST):
    return first + host + fields + b"\r\n" + body


def get(fields=b"", first=b"GET / HTTP/1.1\r\n", host=HOST, rest=b""):
    return first + host + fields + b"\r\n" + rest


def te(value, body=b"0\r\n\r\n"):
    return post(b"Transfer-Encoding: " + value + b"\r\n", body + SECRET)


TWO_ENDS = [
    ("CL.TE", post(b"Content-Length: 6\r\n" + CHUNKED, b"0\r\n\r\nG"), 400),
    ("TE.CL", post(CHUNKED + b"Content-Length: 4\r\n", b"5c\r\n" + SECRET), 400),
    ("CL of zero and TE", post(b"Content-Length: 0\r\n" + CHUNKED, b"0\r\n\r\n"), 400),
    ("TE before CL in small letters", post(b"transfer-encoding: chunked\r\ncontent-length: 5\r\n", b"0\r\n\r\n"), 400),
    ("TE.TE, the second unknown", post(CHUNKED + b"Transfer-Encoding: x\r\n", b"0\r\n\r\n"), 400),
    ("TE.TE, the first unknown", post(b"Transfer-Encoding: x\r\n" + CHUNKED, b"0\r\n\r\n"), 400),
    ("TE twice chunked", post(CHUNKED * 2, b"0\r\n\r\n"), 400),
    ("CL.CL that differ", post(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello"), 400),
    ("CL.CL that are equal", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), 400),
    ("a list as CL", post(b"Content-Length: 5, 5\r\n", b"hello"), 400),
]

LENGTHS = [(f"Content-Length {value!r}", post(b"Content-Length: " + value + b"\r\n", b"hello" + SECRET), 400)
           for value in (b"+5", b"-5", b"0x5", b"5 0", b"5.0", b"5e0", b"", b"five", b"5;", b"\xb2", b"5\x0b", b"5\x00",
                         b"18446744073709551616", b"99999999999999999999999999")]

CODINGS = [(f"Transfer-Encoding {value!r}", te(value), 400)
           for value in (b"xchunked", b"chunkedx", b"\"chunked\"", b"chunked;q=1", b"chunked, identity",
                         b"identity, chunked", b"gzip, chunked", b"chunked, chunked", b"identity", b"gzip", b"",
                         b"chunked\x0b", b"\x0bchunked", b"chunked\x00", b"chunked,", b",chunked", b"cow\r\n chunked")]

NAMES = [
    ("a blank before the colon of TE", post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SECRET), 400),
    ("a tab before the colon of TE", post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n" + SECRET), 400),
    ("a blank before the colon of CL", post(b"Content-Length : 5\r\n", b"hello"), 400),
    ("a blank in front of the first field", b"GET / HTTP/1.1\r\n Host: app.example.com\r\n\r\n", 400),
    ("a tab in front of the first field", b"GET / HTTP/1.1\r\n\tX: 1\r\n" + HOST + b"\r\n", 400),
    ("a control character in a name", post(b"Transfer\x01-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("a letter above 127 in a name", get(b"X-\xe4: 1\r\n"), 400),
    ("an empty name", get(b": 1\r\n"), 400),
    ("a line without a colon", get(b"Transfer-Encoding chunked\r\n"), 400),
    ("a name in quotes", get(b"\"X\": 1\r\n"), 400),
    ("an underscore in CL", post(b"Content_Length: 5\r\nContent-Length: 0\r\n"), 400),
    ("an underscore in TE", post(b"Transfer_Encoding: chunked\r\n" + b"Content-Length: 5\r\n", b"0\r\n\r\n"), 400),
]

LINES = [
    ("bare LF behind a field", post(b"X: 1\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("bare LF everywhere", b"GET / HTTP/1.1\nHost: app.example.com\n\n", 400),
    ("bare LF as the end of the head", b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\n", 400),
    ("bare CR in a value", post(b"X: 1\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("bare CR in the first line", b"GET / HTTP/1.1\rX: 1\r\nHost: app.example.com\r\n\r\n", 400),
    ("CR CR LF", get(b"X: 1\r\r\n"), 400),
    ("NUL in a value", get(b"X: a\x00b\r\n"), 400),
    ("an escape in a value", get(b"X: a\x1b[0m\r\n"), 400),
    ("DEL in a value", get(b"X: a\x7fb\r\n"), 400),
    ("obs-fold", get(b"X: 1\r\n 2\r\n"), 400),
    ("obs-fold of TE", post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), 400),
    ("obs-fold of Host", b"GET / HTTP/1.1\r\nHost: app\r\n .example.com\r\n\r\n", 400),
]

FIRST_LINES = [
    ("HTTP/0.9", b"GET /\r\n\r\n", 400),
    ("HTTP/0.9 with a version", get(first=b"GET / HTTP/0.9\r\n"), (400, 505)),
    ("HTTP/1.2", get(first=b"GET / HTTP/1.2\r\n"), (400, 505)),
    ("HTTP/2.0", get(first=b"GET / HTTP/2.0\r\n"), (400, 505)),
    ("http in small letters", get(first=b"GET / http/1.1\r\n"), 400),
    ("no version's dot", get(first=b"GET / HTTP/11\r\n"), (400, 505)),
    ("two blanks", get(first=b"GET  / HTTP/1.1\r\n"), 400),
    ("a blank in front", get(first=b" GET / HTTP/1.1\r\n"), 400),
    ("a blank in the target", get(first=b"GET /a b HTTP/1.1\r\n"), 400),
    ("a blank behind the version", get(first=b"GET / HTTP/1.1 \r\n"), 400),
    ("a tab instead of a blank", get(first=b"GET\t/ HTTP/1.1\r\n"), 400),
    ("a letter above 127 as method", get(first=b"G\xc4T / HTTP/1.1\r\n"), 400),
    ("a fragment in the target", get(first=b"GET /a#b HTTP/1.1\r\n"), 400),
    ("a control character in the target", get(first=b"GET /a\x01b HTTP/1.1\r\n"), 400),
    ("a target that is no path", get(first=b"GET app HTTP/1.1\r\n"), 400),
    ("an asterisk for GET", get(first=b"GET * HTTP/1.1\r\n"), 400),
    ("CONNECT of a host", b"CONNECT app.example.com:80 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    ("CONNECT of a path", b"CONNECT / HTTP/1.1\r\n" + HOST + b"\r\n", (400, 405)),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    ("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400),
    ("the PROXY protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(), 400),
]

HOSTS = [
    ("two Hosts", get(b"Host: app.example.com\r\n"), 400),
    ("two Hosts that differ", get(b"Host: other.example.com\r\n"), 400),
    ("no Host", get(host=b""), 400),
    ("a Host with a blank", get(host=b"Host: app.example.com other\r\n"), 400),
    ("a Host with a path", get(host=b"Host: app.example.com/x\r\n"), 400),
    ("a Host with a name in front", get(host=b"Host: a@app.example.com\r\n"), 400),
    ("a Host with a comma", get(host=b"Host: app.example.com,other.example.com\r\n"), 400),
    ("a Host with a port that is none", get(host=b"Host: app.example.com:http\r\n"), 400),
    ("a Host with a port that is too high", get(host=b"Host: app.example.com:65536\r\n"), 400),
    ("an absolute URL of another Host", get(first=b"GET http://other.example.com/ HTTP/1.1\r\n"), 400),
    ("an absolute URL with a name in front", get(first=b"GET http://a@app.example.com/ HTTP/1.1\r\n"), 400),
    ("an absolute URL without a host", get(first=b"GET http:///x HTTP/1.1\r\n"), 400),
    ("an absolute URL of another scheme", get(first=b"GET ftp://app.example.com/ HTTP/1.1\r\n"), 400),
    ("Connection that names Host", get(b"Connection: close, Host\r\n"), 400),
    ("Connection that names Content-Length", post(b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello"),
     400),
    ("Connection that names TE", post(b"Connection: Transfer-Encoding\r\n" + CHUNKED, b"0\r\n\r\n"), 400),
    ("HTTP/1.0 with TE", post(CHUNKED, b"0\r\n\r\n" + SECRET, first=b"POST / HTTP/1.0\r\n"), 400),
    ("another Expect", post(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello"), 417),
    ("two Authorizations", get(b"Authorization: Basic YTpi\r\nAuthorization: Basic YTpj\r\n"), 400),
]

# The head of these is passed on before it is seen that the body is wrong: the visitor gets an answer of 400, or a
# reset, and the server never sees a whole message.
BODIES = [(name, post(CHUNKED, body + SECRET), 400) for name, body in (
    ("a chunk of a size with a sign", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk of a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk without a size", b"\r\nhello\r\n0\r\n\r\n"),
    ("a chunk with blanks before its size", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk of a size that overflows", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("a chunk of a size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk line with a bare LF", b"5\nhello\r\n0\r\n\r\n"),
    ("a chunk line with a bare CR", b"5\rhello\r\n0\r\n\r\n"),
    ("a chunk that is too long", b"5\r\nhello world\r\n0\r\n\r\n"),
    ("a chunk without CRLF behind it", b"5\r\nhello0\r\n\r\n"),
    ("a chunk with a bare LF behind it", b"5\r\nhello\n0\r\n\r\n"),
    ("an extension with a bare LF", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("an extension with a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("an extension with a control character", b"5;a=\x01\r\nhello\r\n0\r\n\r\n"),
    ("an extension without end", b"5;" + b"a" * 4000 + b"\r\nhello\r\n0\r\n\r\n"),
    ("a last chunk with a bare LF", b"5\r\nhello\r\n0\n\r\n"),
    ("trailers with a Content-Length", b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
    ("trailers with a Transfer-Encoding", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("trailers with a Host", b"5\r\nhello\r\n0\r\nHost: other.example.com\r\n\r\n"),
    ("trailers with a bare LF", b"5\r\nhello\r\n0\r\nX: 1\nY: 2\r\n\r\n"),
    ("trailers with obs-fold", b"5\r\nhello\r\n0\r\nX: 1\r\n 2\r\n\r\n"),
    ("trailers without a name", b"5\r\nhello\r\n0\r\n: 1\r\n\r\n"),
    ("trailers without end", b"5\r\nhello\r\n0\r\n" + b"X: 1\r\n" * 4000 + b"\r\n"),
)]

PASSED_ON = [
    ("a plain GET", get(), None),
    ("empty lines in front", b"\r\n\r\n" + get(), None),
    ("TE in capital letters", post(b"TRANSFER-ENCODING: CHUNKED\r\n", b"5\r\nhello\r\n0\r\n\r\n"), None),
    ("TE with blanks around it", post(b"Transfer-Encoding: \t chunked \t\r\n", b"5\r\nhello\r\n0\r\n\r\n"), None),
    ("CL with zeros in front", post(b"Content-Length: 0005\r\n", b"hello"), None),
    ("CL of zero", post(b"Content-Length: 0\r\n"), None),
    ("a GET with a body", get(b"Content-Length: 5\r\n", rest=b"hello"), None),
    ("a body that is a request", post(b"Content-Length: %d\r\n" % len(SECRET), SECRET), None),
    ("a chunk that is a request", post(CHUNKED, b"%x\r\n%s\r\n0\r\n\r\n" % (len(SECRET), SECRET)), None),
    ("a chunk of a size with zeros in front", post(CHUNKED, b"0000000005\r\nhello\r\n000\r\n\r\n"), None),
    ("an extension of a chunk", post(CHUNKED, b"5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"), None),
    ("a trailer", post(CHUNKED + b"Trailer: X\r\n", b"5\r\nhello\r\n0\r\nX: 1\r\n\r\n"), None),
    ("a method that nobody knows", get(first=b"PURGE /x HTTP/1.1\r\n"), None),
    ("an upgrade to h2c", get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
     None),
    ("an upgrade with a body", post(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", b"hello"),
     None),
    ("an absolute URL", get(first=b"GET http://app.example.com/x HTTP/1.1\r\n"), None),
    ("an absolute URL of https", get(first=b"GET https://app.example.com/x HTTP/1.1\r\n"), None),
    ("Connection that names a field", get(b"Connection: X-Secret\r\nX-Secret: 1\r\n"), None),
    ("a field in which a request stands", get(b"X: GET / HTTP/1.1 Host: other.example.com\r\n"), None),
    ("HTTP/1.0 without Host but for the absolute URL", b"GET http://app.example.com/ HTTP/1.0\r\n\r\n", None),
    ("HTTP/1.0 with a length", post(b"Content-Length: 5\r\n", b"hello", first=b"POST / HTTP/1.0\r\n"), None),
    ("a name with an underscore beside its own", get(b"X_Forwarded_For: 1.2.3.4\r\n"), None),
]

REFUSED = TWO_ENDS + LENGTHS + CODINGS + NAMES + LINES + FIRST_LINES + HOSTS
