// Hellos as clients say them: OpenSSL's in all its shapes, with its server as the judge, and those
// of browsers and others as they were recorded.
#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "common/transport/hello_name.hpp"
#include "tests/support/hello_oracle.hpp"
#include "tests/support/hello_parts.hpp"
#include "tests/support/recorded_hellos.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr const char* asked_for = "app.example.com";

TlsContext context_of(const SSL_METHOD* method)
{
    TlsContext context(SSL_CTX_new(method));
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_cipher_list(context.get(), "ALL:aNULL");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    return context;
}

void only(SSL* ssl, int version)
{
    SSL_set_min_proto_version(ssl, version);
    SSL_set_max_proto_version(ssl, version);
}

// A list of protocols that takes `size` bytes.
void offer_protocols(SSL* ssl, std::size_t size)
{
    std::string list;
    while (list.size() < size)
        list += sized(1, std::string(std::min<std::size_t>(size - list.size() - 1, 200), 'p'));
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
}

// A key that client and server share already, with a name of 12,000 bytes, as a ticket can have.
int offer_long_key(SSL* ssl, const EVP_MD*, const unsigned char** identity, std::size_t* size,
                   SSL_SESSION** session)
{
    static const std::string name(12'000, 'i');
    static constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
    const std::string key(32, 'k');
    *session = SSL_SESSION_new();
    SSL_SESSION_set1_master_key(*session, reinterpret_cast<const unsigned char*>(key.data()),
                                key.size());
    SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, aes_128_gcm_sha256));
    SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION);
    *identity = reinterpret_cast<const unsigned char*>(name.data());
    *size = name.size();
    return 1;
}

int put_much_into_ticket(SSL* ssl, void*)
{
    const std::string much(8000, 'm');
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), much.data(), much.size());
}

// A session of TLS 1.2 with a long ticket, after a whole handshake without certificates.
void resume_with_long_ticket(SSL* ssl)
{
    const TlsContext server_context = context_of(TLS_server_method());
    SSL_CTX_set_dh_auto(server_context.get(), 1);
    SSL_CTX_set_session_ticket_cb(server_context.get(), put_much_into_ticket, nullptr, nullptr);
    const TlsContext client_context = context_of(TLS_client_method());
    const TlsConnection client = in_memory(*client_context);
    const TlsConnection server = in_memory(*server_context);
    SSL_set_cipher_list(client.get(), "aNULL");
    SSL_set_tlsext_host_name(client.get(), asked_for);
    only(client.get(), TLS1_2_VERSION);
    only(ssl, TLS1_2_VERSION);
    const auto carry = [](SSL& from, SSL& to) {
        const std::string bytes = said_by(from);
        BIO_write(SSL_get_rbio(&to), bytes.data(), static_cast<int>(bytes.size()));
    };
    for (int turn = 0; turn < 4; ++turn) {
        SSL_connect(client.get());
        carry(*client, *server);
        SSL_accept(server.get());
        carry(*server, *client);
    }
    ERR_clear_error();
    REQUIRE(SSL_is_init_finished(client.get()));
    SSL_shutdown(client.get()); // otherwise the session must not be used again
    SSL_SESSION* const session = SSL_get1_session(client.get());
    REQUIRE(SSL_SESSION_has_ticket(session));
    SSL_set_session(ssl, session);
    SSL_SESSION_free(session);
}

struct Shape {
    std::string what;
    std::function<void(SSL*)> make;
    std::size_t least_size = 0;
};

const std::vector<Shape>& shapes()
{
    static const std::vector<Shape> all{
        {"as it is", [](SSL*) {}},
        {"TLS 1.0", [](SSL* ssl) { only(ssl, TLS1_VERSION); }},
        {"TLS 1.1", [](SSL* ssl) { only(ssl, TLS1_1_VERSION); }},
        {"TLS 1.2", [](SSL* ssl) { only(ssl, TLS1_2_VERSION); }},
        {"TLS 1.3", [](SSL* ssl) { only(ssl, TLS1_3_VERSION); }},
        {"one cipher", [](SSL* ssl) { SSL_set_cipher_list(ssl, "AES128-SHA"); }},
        {"no ticket", [](SSL* ssl) { SSL_set_options(ssl, SSL_OP_NO_TICKET); }},
        {"a protocol", [](SSL* ssl) { offer_protocols(ssl, 9); }},
        {"many protocols", [](SSL* ssl) { offer_protocols(ssl, 5000); }, 5000},
        {"many groups",
         [](SSL* ssl) {
             SSL_set1_groups_list(ssl, "X448:P-521:P-384:P-256:X25519:ffdhe2048:ffdhe3072:"
                                       "ffdhe4096:ffdhe6144:ffdhe8192:brainpoolP256r1:"
                                       "brainpoolP384r1:brainpoolP512r1:secp256k1");
         }},
        {"a key share of 1,024 bytes",
         [](SSL* ssl) {
             only(ssl, TLS1_3_VERSION);
             SSL_set1_groups_list(ssl, "ffdhe8192");
         },
         1024},
        {"padding", [](SSL* ssl) { SSL_set_options(ssl, SSL_OP_TLSEXT_PADDING); }, 512},
        {"status and certificate times",
         [](SSL* ssl) {
             SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
             SSL_enable_ct(ssl, SSL_CT_VALIDATION_PERMISSIVE);
         }},
        {"a long ticket", resume_with_long_ticket, 8000},
        {"a long pre-shared key",
         [](SSL* ssl) { SSL_set_psk_use_session_callback(ssl, offer_long_key); }, 12'000},
        {"records of 512 bytes",
         [](SSL* ssl) {
             SSL_set_max_send_fragment(ssl, 512);
             offer_protocols(ssl, 5000);
         },
         5000},
    };
    return all;
}

// What OpenSSL says first.
std::string hello_in(const Shape& shape, const char* name)
{
    static const TlsContext context = context_of(TLS_client_method());
    const TlsConnection ssl = in_memory(*context);
    shape.make(ssl.get());
    if (name != nullptr)
        SSL_set_tlsext_host_name(ssl.get(), name);
    SSL_connect(ssl.get());
    ERR_clear_error();
    return said_by(*ssl);
}

std::string message_in(std::string_view records)
{
    std::string message;
    while (records.size() >= 5) {
        const std::size_t size =
            static_cast<unsigned char>(records[3]) * 256u + static_cast<unsigned char>(records[4]);
        message += records.substr(5, size);
        records.remove_prefix(5 + size);
    }
    return message;
}

// Of a whole hello: no part of it is one, and how it is cut into records does not matter.
void check_all_cuts(const std::string& bytes, const std::string& expected)
{
    REQUIRE(found_in(bytes) == expected);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        REQUIRE(found_in(std::string_view(bytes).substr(0, size)) == "not whole");
    const std::string message = message_in(bytes);
    const std::size_t step = message.size() > 2000 ? 37 : 1; // each cut copies the message
    for (std::size_t at = 1; at < message.size(); at += step)
        REQUIRE(found_in(hello_record(message.substr(0, at)) + hello_record(message.substr(at))) ==
                expected);
    const std::string bytewise = in_records(message.substr(0, most_hello_records - 1), 1);
    const std::string rest = message.substr(most_hello_records - 1);
    CHECK(found_in(bytewise + hello_record(rest)) == expected);
    CHECK(found_in(bytewise + in_records(rest, rest.size() - 1)) == "too large");
}

} // namespace

TEST_CASE("the name in a hello of OpenSSL is the one that OpenSSL's server sees")
{
    const HelloOracle oracle;
    for (const Shape& shape : shapes()) {
        CAPTURE(shape.what);
        const std::string bytes = hello_in(shape, asked_for);
        REQUIRE(bytes.size() > shape.least_size);
        const SeenHello seen = oracle.look_at(bytes);
        REQUIRE(seen.is_read);
        REQUIRE(seen.name == asked_for);
        check_all_cuts(bytes, seen.name);
    }
}

TEST_CASE("a hello of OpenSSL without a name has none")
{
    const HelloOracle oracle;
    for (const Shape& shape : shapes()) {
        CAPTURE(shape.what);
        const std::string bytes = hello_in(shape, nullptr);
        const SeenHello seen = oracle.look_at(bytes);
        REQUIRE(seen.is_read);
        // A session has the name that it began with.
        if (seen.extension)
            CHECK(found_in(bytes) == seen.name);
        else
            check_all_cuts(bytes, "no name");
    }
}

TEST_CASE("a hello of OpenSSL with a name that is none is not valid")
{
    const HelloOracle oracle;
    for (const char* const name : {"192.0.2.1", "app..example.com", "b\xc3\xbc.example", "-"}) {
        CAPTURE(name);
        const std::string bytes = hello_in(shapes().front(), name);
        REQUIRE(oracle.look_at(bytes).name == name);
        check_all_cuts(bytes, "no host name");
    }
}

TEST_CASE("a hello of OpenSSL that is larger than 16 KiB is too large from its header on")
{
    const Shape large{"", [](SSL* ssl) { offer_protocols(ssl, 20'000); }};
    const std::string bytes = hello_in(large, asked_for);
    REQUIRE(bytes.size() > largest_hello_message);
    CHECK(found_in(bytes) == "too large");
    CHECK(found_in(std::string_view(bytes).substr(0, 9)) == "too large");
}

TEST_CASE("the name in a recorded hello of a browser or another client is found")
{
    const HelloOracle oracle;
    for (const RecordedHello& recorded : recorded_hellos) {
        CAPTURE(recorded.client);
        const std::string bytes = bytes_of(recorded);
        REQUIRE(oracle.look_at(bytes).is_read);
        REQUIRE(oracle.look_at(bytes).name == recorded.name);
        check_all_cuts(bytes, recorded.name.empty() ? "no name" : std::string(recorded.name));
    }
}

TEST_CASE("a client understands the alert that no name is found")
{
    constexpr auto alert = fatal_alert(TlsAlert::unrecognized_name);
    for (const int version : {TLS1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION}) {
        const TlsContext context = context_of(TLS_client_method());
        const TlsConnection ssl = in_memory(*context);
        only(ssl.get(), version);
        SSL_connect(ssl.get());
        BIO_write(SSL_get_rbio(ssl.get()), alert.data(), static_cast<int>(alert.size()));
        ERR_clear_error();
        SSL_connect(ssl.get());
        CHECK(ERR_GET_REASON(ERR_get_error()) == SSL_R_TLSV1_UNRECOGNIZED_NAME);
    }
}
