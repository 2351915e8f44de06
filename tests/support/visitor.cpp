#include "tests/support/visitor.hpp"

#include <future>
#include <stdexcept>

#include "tests/support/joined.hpp"
#include "tests/unit/io.hpp"

namespace tunnel::test {

void CertificateStore::add(const std::string& name, const std::string& names, KeyKind kind,
                           long valid_for) const
{
    const Certificate made(
        {.common_name = name, .alternative = names, .valid_for = valid_for, .kind = kind});
    folder.copy(made.files().certificate, name + ".crt");
    folder.copy(made.files().key, name + ".key");
}

Met meet(asio::io_context& io, VisitorHandshakes& handshakes,
         std::shared_ptr<const ServedCertificates> certificates, TlsPeer visitor)
{
    Met met;
    Connected pair = connected();
    prepare_for_relay(pair.there.descriptor());
    const std::string name = visitor.server_name;
    if (visitor.groups == nullptr)
        visitor.groups = "X25519:P-256:P-384"; // with those of ECDSA, as TLS 1.2 wants it
    auto dialling = std::async(std::launch::async, [&] {
        try {
            met.visitor.emplace(std::move(pair.here), TlsEnd::dials, std::move(visitor));
        } catch (const std::runtime_error& error) {
            met.visitor_words = error.what();
        }
    });
    bool done = false;
    handshakes.begin(pair.there.release(), std::move(certificates), name, Clock::now() + patience,
                     [&](VisitorHandshakes::Result result) {
                         met.result = std::move(result);
                         done = true;
                     });
    if (!run_until(io, [&] { return done; }))
        throw std::runtime_error("the handshake did not end in time");
    dialling.get();
    return met;
}

Met meet(std::shared_ptr<const ServedCertificates> certificates, TlsPeer visitor)
{
    asio::io_context io;
    VisitorHandshakes handshakes(io, 1);
    return meet(io, handshakes, std::move(certificates), std::move(visitor));
}

} // namespace tunnel::test
