"""Messages that parsers have been seen to take for different ones, and some that all must take for the same.

A case is (name, bytes, what ours makes of it): REFUSED at the first message, WHOLE to the last byte, CLOSED behind the
first message, MORE when the last message is not whole, or another word of main.cpp. Behind most messages stands another
one: who takes its bytes for a part of the one before, or the other way round, sees another end."""

REFUSED, WHOLE, CLOSED, MORE = "refused", "whole", "closed", "more"

NEXT_REQUEST = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
NEXT_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
# As a body it is 5 bytes, in chunks it is nothing and a bit of the next message.
ZERO = b"0\r\n\r\n"


def post(fields, body, follows=NEXT_REQUEST, line=b"POST / HTTP/1.1"):
    return line + b"\r\nHost: a\r\n" + fields + b"\r\n" + body + follows


def chunked(body, follows=NEXT_REQUEST):
    return post(b"Transfer-Encoding: chunked\r\n", body, follows)


def response(fields, body=b"", follows=NEXT_RESPONSE, line=b"HTTP/1.1 200 OK"):
    return line + b"\r\n" + fields + b"\r\n" + body + follows


REQUESTS = (
    # Good ones.
    ("get", NEXT_REQUEST * 3, WHOLE),
    ("length", post(b"Content-Length: 5\r\n", b"hello"), WHOLE),
    ("length-zero", post(b"Content-Length: 0\r\n", b""), WHOLE),
    ("length-with-zeros", post(b"Content-Length: 0005\r\n", b"hello"), WHOLE),
    ("length-in-a-get", post(b"Content-Length: 5\r\n", b"GET /", line=b"GET / HTTP/1.1"), WHOLE),
    ("length-in-a-head", post(b"Content-Length: 5\r\n", b"hello", line=b"HEAD / HTTP/1.1"), WHOLE),
    ("body-that-is-a-request", post(b"Content-Length: 31\r\n", NEXT_REQUEST[:31]), WHOLE),
    ("blanks-around-a-length", post(b"Content-Length: \t 5 \t\r\n", b"hello"), WHOLE),
    ("length-not-whole", post(b"Content-Length: 500\r\n", b"hello"), MORE),
    ("chunked", chunked(CHUNKS), WHOLE),
    ("chunked-upper-case", post(b"TRANSFER-ENCODING: Chunked\r\n", CHUNKS), WHOLE),
    ("chunked-in-a-get", post(b"Transfer-Encoding: chunked\r\n", CHUNKS, line=b"GET / HTTP/1.1"), WHOLE),
    ("chunked-not-whole", chunked(b"5\r\nhello\r\n", b""), MORE),
    ("chunk-extensions", chunked(b'5;a=b;c="d;e"\r\nhello\r\n0;last\r\n\r\n'), WHOLE),
    ("chunk-sizes-with-zeros", chunked(b"0005\r\nhello\r\n000\r\n\r\n"), WHOLE),
    ("chunk-size-upper-case", chunked(b"A\r\n0123456789\r\n0\r\n\r\n"), WHOLE),
    ("chunk-size-padded", chunked(b"5  \r\nhello\r\n0\r\n\r\n"), WHOLE),
    ("chunk-that-is-an-end", chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), WHOLE),
    ("trailers", chunked(b"0\r\nX-Sum: 5\r\nServer-Timing: a\r\n\r\n"), WHOLE),
    ("connection-close", post(b"Connection: close\r\nContent-Length: 5\r\n", b"hello"), CLOSED),
    ("old", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n" + NEXT_REQUEST, CLOSED),
    ("old-that-stays", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" + NEXT_REQUEST, WHOLE),
    ("upgrade", post(b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"", line=b"GET / HTTP/1.1"), WHOLE),
    ("upgrade-to-http-2", post(b"Upgrade: h2c\r\nHTTP2-Settings: a\r\nConnection: upgrade, HTTP2-Settings\r\n", b"",
                               line=b"GET / HTTP/1.1"), WHOLE),
    ("upgrade-with-a-body", post(b"Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 5\r\n", b"hello"), WHOLE),
    ("expectation", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"), WHOLE),
    ("empty-line-before", b"\r\n" + NEXT_REQUEST + b"\r\n" + NEXT_REQUEST, WHOLE),
    ("whole-url", b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n" + NEXT_REQUEST, WHOLE),
    ("url-of-another-host", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" + NEXT_REQUEST, REFUSED),
    # Two lengths.
    ("length-and-chunked", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ZERO), REFUSED),
    ("chunked-and-length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", ZERO), REFUSED),
    ("two-lengths", post(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello"), REFUSED),
    ("same-length-twice", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("list-of-lengths", post(b"Content-Length: 5, 5\r\n", b"hello"), REFUSED),
    ("list-of-other-lengths", post(b"Content-Length: 5, 0\r\n", b"hello"), REFUSED),
    ("misspelt-length", post(b"Content-Length: 0\r\nContent_Length: 5\r\n", b"hello"), REFUSED),
    ("misspelt-coding", post(b"Content-Length: 5\r\nTransfer_Encoding: chunked\r\n", ZERO), REFUSED),
    # Lengths that are none.
    ("length-with-plus", post(b"Content-Length: +5\r\n", b"hello"), REFUSED),
    ("length-negative", post(b"Content-Length: -5\r\n", b"hello"), REFUSED),
    ("length-empty", post(b"Content-Length:\r\n", b"hello"), REFUSED),
    ("length-hexadecimal", post(b"Content-Length: 0x5\r\n", b"hello"), REFUSED),
    ("length-with-underscore", post(b"Content-Length: 1_0\r\n", b"0123456789"), REFUSED),
    ("length-in-two-words", post(b"Content-Length: 5 0\r\n", b"hello"), REFUSED),
    ("length-with-a-point", post(b"Content-Length: 5.0\r\n", b"hello"), REFUSED),
    ("length-over-64-bits", post(b"Content-Length: 18446744073709551621\r\n", b"hello"), REFUSED),
    ("length-over-63-bits", post(b"Content-Length: 9223372036854775808\r\n", b"hello"), REFUSED),
    ("length-in-other-digits", post(b"Content-Length: \xd9\xa5\r\n", b"hello"), REFUSED),
    ("length-with-vertical-tab", post(b"Content-Length: \x0b5\r\n", b"hello"), REFUSED),
    ("blank-before-the-colon-of-a-length", post(b"Content-Length : 5\r\n", b"hello"), REFUSED),
    ("tab-before-the-colon-of-a-coding", post(b"Transfer-Encoding\t: chunked\r\n", ZERO), REFUSED),
    ("blank-before-a-name", b"POST / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\nhello", REFUSED),
    ("zero-byte-in-the-name-of-a-length", post(b"Content-Length\0: 5\r\n", b"hello"), REFUSED),
    # Codings that are not exactly chunked.
    ("xchunked", post(b"Transfer-Encoding: xchunked\r\n", ZERO), REFUSED),
    ("chunked-identity", post(b"Transfer-Encoding: chunked, identity\r\n", ZERO), REFUSED),
    ("identity-chunked", post(b"Transfer-Encoding: identity, chunked\r\n", ZERO), REFUSED),
    ("identity", post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("gzip-chunked", post(b"Transfer-Encoding: gzip, chunked\r\n", ZERO), REFUSED),
    ("chunked-twice", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ZERO), REFUSED),
    ("coding-then-chunked", post(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", ZERO), REFUSED),
    ("chunked-comma", post(b"Transfer-Encoding: chunked,\r\n", ZERO), REFUSED),
    ("chunked-quoted", post(b'Transfer-Encoding: "chunked"\r\n', ZERO), REFUSED),
    ("chunked-with-parameter", post(b"Transfer-Encoding: chunked;a=b\r\n", ZERO), REFUSED),
    ("chunked-with-vertical-tab", post(b"Transfer-Encoding: \x0bchunked\r\n", ZERO), REFUSED),
    ("chunked-with-zero-byte", post(b"Transfer-Encoding: chunked\0\r\n", ZERO), REFUSED),
    ("chunked-with-nbsp", post(b"Transfer-Encoding: chunked\xa0\r\n", ZERO), REFUSED),
    ("empty-coding", post(b"Transfer-Encoding:\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("chunked-in-the-next-line", post(b"Transfer-Encoding:\r\n chunked\r\n", ZERO), REFUSED),
    ("coding-behind-a-fold", post(b"X: y\r\n Transfer-Encoding: chunked\r\n", ZERO), REFUSED),
    ("chunked-in-old-http", post(b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", ZERO,
                                 line=b"POST / HTTP/1.0"), REFUSED),
    ("connection-names-the-length", post(b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    # Line ends.
    ("bare-lf", b"POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello" + NEXT_REQUEST, REFUSED),
    ("bare-lf-in-a-value", post(b"X: y\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("bare-cr-in-a-value", post(b"X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", ZERO), REFUSED),
    ("cr-cr-lf", post(b"X: y\r\r\nTransfer-Encoding: chunked\r\n", ZERO), REFUSED),
    ("head-that-ends-in-bare-lf", b"GET / HTTP/1.1\r\nHost: a\r\n\n" + NEXT_REQUEST, REFUSED),
    ("head-that-ends-in-cr-cr", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n" + NEXT_REQUEST, REFUSED),
    ("zero-byte-in-a-value", post(b"X: \0\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("line-without-a-colon", post(b"X\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("no-name", post(b": 5\r\n", b""), REFUSED),
    ("blank-in-the-target", post(b"", b"", line=b"GET /a HTTP/1.1 HTTP/1.1"), REFUSED),
    ("request-without-a-version", b"GET /\r\nHost: a\r\n\r\n" + NEXT_REQUEST, REFUSED),
    ("tab-in-the-first-line", post(b"", b"", line=b"GET\t/ HTTP/1.1"), REFUSED),
    ("connect", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + NEXT_REQUEST, REFUSED),
    ("http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED),
    ("two-hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + NEXT_REQUEST, REFUSED),
    # Chunks.
    ("chunk-line-that-ends-in-lf", chunked(b"5\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-data-that-ends-in-lf", chunked(b"5\r\nhello\n0\r\n\r\n"), REFUSED),
    ("chunk-data-without-an-end", chunked(b"5\r\nhello0\r\n\r\n"), REFUSED),
    ("chunk-data-with-two-bytes-more", chunked(b"5\r\nhelloXX0\r\n\r\n"), REFUSED),
    ("chunk-line-with-bare-cr", chunked(b"5;\rx\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-extension-that-ends-in-lf", chunked(b"5;a\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-extension-with-an-open-quote", chunked(b'5;a="\r\nhello\r\n0\r\n\r\n'), REFUSED),
    ("chunk-size-hexadecimal-prefix", chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-with-plus", chunked(b"+5\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-negative", chunked(b"-5\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-with-underscore", chunked(b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-behind-a-blank", chunked(b" 5\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-in-two-words", chunked(b"5 5\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-over-64-bits", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-over-63-bits", chunked(b"fffffffffffffffb\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-size-empty", chunked(b"\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("chunk-without-size", chunked(b";a\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("last-chunk-without-its-empty-line", chunked(b"0\r\n"), REFUSED),
    ("last-chunk-that-ends-in-lf", chunked(b"0\n\n"), REFUSED),
    ("last-chunk-with-bare-cr", chunked(b"0\r\n\rX\r\n"), REFUSED),
    ("trailer-of-the-length", chunked(b"0\r\nContent-Length: 5\r\n\r\n"), REFUSED),
    ("trailer-of-the-coding", chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), REFUSED),
    ("trailer-of-the-host", chunked(b"0\r\nHost: b\r\n\r\n"), REFUSED),
    ("trailer-that-is-a-request", chunked(b"0\r\nGET / HTTP/1.1\r\nX: y\r\n\r\n"), REFUSED),
    ("trailer-in-two-lines", chunked(b"0\r\nX: y\r\n z\r\n\r\n"), REFUSED),
    ("trailer-that-ends-in-lf", chunked(b"0\r\nX: y\n\r\n"), REFUSED),
)

RESPONSES = (
    ("ok", NEXT_RESPONSE * 2, WHOLE),
    ("length", response(b"Content-Length: 5\r\n", b"hello"), WHOLE),
    ("chunked", response(b"Transfer-Encoding: chunked\r\n", CHUNKS), WHOLE),
    ("continue-before", b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"Content-Length: 5\r\n", b"hello"), WHOLE),
    ("hints-before", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + NEXT_RESPONSE, WHOLE),
    ("no-content", response(b"", line=b"HTTP/1.1 204 No Content"), WHOLE),
    ("no-content-with-a-length", response(b"Content-Length: 5\r\n", line=b"HTTP/1.1 204 No Content"), CLOSED),
    ("no-content-in-chunks", response(b"Transfer-Encoding: chunked\r\n", line=b"HTTP/1.1 204 No Content"), CLOSED),
    ("not-modified-with-a-length", response(b"Content-Length: 5\r\n", line=b"HTTP/1.1 304 Not Modified"), WHOLE),
    ("until-end", response(b"", b"hello"), "until-end"),
    ("until-end-of-old", response(b"Connection: keep-alive\r\n", b"hello", line=b"HTTP/1.0 200 OK"), "until-end"),
    ("switching", response(b"Upgrade: x\r\nConnection: upgrade\r\n", b"\x81\0", line=b"HTTP/1.1 101 x"), "upgraded"),
    ("connection-close", response(b"Content-Length: 0\r\nConnection: close\r\n"), CLOSED),
    ("without-a-reason", response(b"Content-Length: 5\r\n", b"hello", line=b"HTTP/1.1 200"), WHOLE),
    ("length-and-chunked", response(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ZERO), REFUSED),
    ("two-lengths", response(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello"), REFUSED),
    ("same-length-twice", response(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("xchunked", response(b"Transfer-Encoding: xchunked\r\n", ZERO), REFUSED),
    ("identity", response(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("old-and-chunked", response(b"Transfer-Encoding: chunked\r\n", ZERO, line=b"HTTP/1.0 200 OK"), REFUSED),
    ("length-in-the-next-line", response(b"Content-Length:\r\n 5\r\n", b"hello"), REFUSED),
    ("bare-lf", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello" + NEXT_RESPONSE, REFUSED),
    ("bare-cr", response(b"X: y\rContent-Length: 0\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("old-protocol", b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n", REFUSED),
    ("http-2", b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n", REFUSED),
    ("empty-line-before", b"\r\n" + NEXT_RESPONSE, REFUSED),
)

RESPONSES_TO_HEAD = (
    ("length", response(b"Content-Length: 5\r\n"), WHOLE),
    ("chunked", response(b"Transfer-Encoding: chunked\r\n"), WHOLE),
    ("nothing", response(b""), WHOLE),
    ("length-and-chunked", response(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), REFUSED),
)

CASES = [(kind, *case)
         for kind, cases in (("request", REQUESTS), ("response", RESPONSES), ("response-to-head", RESPONSES_TO_HEAD))
         for case in cases]
