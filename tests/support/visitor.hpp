// Visitors who come over TLS, and who shakes hands with them.
#pragma once

#include <optional>
#include <string>

#include "common/security/visitor_handshakes.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tls_stream.hpp"

namespace tunnel::test {

// A folder with certificates, and what is made of them.
struct CertificateStore {
    TemporaryFolder folder;
    std::shared_ptr<TicketKeys> tickets = std::make_shared<TicketKeys>();

    // As NAME.crt and NAME.key, for these names: "DNS:app.example.com,DNS:*.example.org".
    void add(const std::string& name, const std::string& names, KeyKind kind = KeyKind::p_256,
             long valid_for = 3600) const;

    std::shared_ptr<const ServedCertificates> load() const
    {
        return ServedCertificates::load({folder.path()}, tickets);
    }
};

// How the two ends of a handshake saw it.
struct Met {
    std::optional<TlsStream> visitor{};
    std::string visitor_words{}; // of its failure
    VisitorHandshakes::Result result{};

    bool good() const { return visitor.has_value() && result.channel.is_open(); }
};

// A visitor with these properties comes to its server_name. Ten seconds at most.
Met meet(asio::io_context& io, VisitorHandshakes& handshakes,
         std::shared_ptr<const ServedCertificates> certificates, TlsPeer visitor);

// The same, once.
Met meet(std::shared_ptr<const ServedCertificates> certificates, TlsPeer visitor);

} // namespace tunnel::test
