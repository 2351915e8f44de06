#include <doctest/doctest.h>

#include "common/protocol/foreign.hpp"
#include "common/protocol/frame.hpp"

using namespace tunnel;

TEST_CASE("a server of another protocol is recognised by its first bytes")
{
    CHECK(protocol_of("HTTP/1.1 400 Bad Request\r\n") == "HTTP");
    CHECK(protocol_of("SSH-2.0-OpenSSH_9.2p1") == "SSH");
    CHECK(protocol_of("220 mail.example.com ESMTP") == "SMTP or FTP");
    CHECK(protocol_of("* OK IMAP4rev1") == "IMAP");
    CHECK(protocol_of("-ERR unknown command") == "Redis");
    CHECK(protocol_of(std::string_view("\x15\x03\x03\x00\x02", 5)) == "TLS");
    CHECK_FALSE(protocol_of("").has_value());
    CHECK_FALSE(protocol_of("HTT").has_value());
}

TEST_CASE("a frame that a remote proxy begins with is never taken for another protocol")
{
    Welcome welcome;
    welcome.version = 1;
    welcome.program_version = "0.1.0";
    welcome.outside_address = "192.0.2.1:9000";
    const Reject reject{RejectReason::in_use, std::string(longest_text, 'x')};
    const Notice notice{"wait"};
    for (const std::string& bytes : {encode(welcome), encode(reject), encode(notice),
                                     encode(Challenge()), encode(Goodbye()), encode(Heartbeat())}) {
        CHECK(may_begin_frames(bytes));
        CHECK(may_begin_frames(bytes.substr(0, 3)));
        CHECK(may_begin_frames(bytes.substr(0, 1)));
    }
}

TEST_CASE("what is no frame is not taken for the beginning of one")
{
    CHECK_FALSE(may_begin_frames("HTTP/1.0 200 OK"));
    CHECK_FALSE(may_begin_frames("SSH-2.0-dropbear"));
    CHECK_FALSE(may_begin_frames("220 ready"));
    CHECK_FALSE(may_begin_frames("Welcome to the chat"));
    CHECK_FALSE(may_begin_frames(std::string_view("\x00\x02\x02", 3)));
    CHECK_FALSE(may_begin_frames(std::string_view("J\x00\x00\x00\x0a"
                                                  "8.0",
                                                  8))); // MySQL
}

TEST_CASE("what is said of a wrong peer names the protocol and the right address, and no raw bytes")
{
    CHECK(not_a_remote_proxy("HTTP/1.1 400").find("it answered HTTP)") != std::string::npos);
    CHECK(not_a_remote_proxy("HTTP/1.1 400").find("--control-addr") != std::string::npos);
    const std::string other = not_a_remote_proxy(std::string_view("\x1b[2Jboo\n", 8));
    CHECK(other.find("\\x1b[2Jboo\\x0a") != std::string::npos);
    CHECK(other.find('\x1b') == std::string::npos);
}
