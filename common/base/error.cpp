#include "common/base/error.hpp"

#include <cerrno>

namespace tunnel {

namespace {

struct Category final : std::error_category {
    const char* name() const noexcept override { return "tunnel"; }

    std::string message(int value) const override
    {
        switch (static_cast<Errc>(value)) {
        case Errc::not_our_protocol:
            return "not our protocol";
        case Errc::malformed_frame:
            return "malformed frame";
        case Errc::unexpected_frame:
            return "unexpected frame";
        case Errc::heartbeat_timeout:
            return "no heartbeat from the peer";
        case Errc::unknown_ticket:
            return "unknown ticket";
        case Errc::cannot_resolve:
            return "the name has no address";
        case Errc::closed_by_peer:
            return "closed by the peer";
        case Errc::wrong_secret:
            return "the remote proxy does not know this secret: give both proxies the same "
                   "--secret-file; or it is another TLS server: --remote-proxy-addr must be the "
                   "--control-addr of the remote proxy";
        case Errc::no_encryption:
            return "the remote proxy does not encrypt: give it the same --secret-file, or a "
                   "certificate, and no --encryption off";
        case Errc::cut_short:
            return "the remote proxy closed the connection before it was encrypted: it does not "
                   "encrypt, so give it the same --secret-file, or a certificate; or it is full, "
                   "and a later try succeeds";
        case Errc::untrusted_certificate:
            return "the remote proxy's certificate is not trusted";
        case Errc::certificate_refused:
            return "the remote proxy does not trust this proxy's certificate: give --tls-cert and "
                   "--tls-key from an authority in its --tls-client-ca";
        case Errc::handshake_failed:
            return "the TLS handshake failed";
        case Errc::no_such_data:
            return "the remote proxy does not expect this data connection any more: its visitor "
                   "has left, or its session has ended";
        case Errc::no_proof:
            return "no proof of the secret";
        case Errc::no_proxy_header:
            return "no PROXY protocol header";
        case Errc::malformed_proxy_header:
            return "a malformed PROXY protocol header";
        case Errc::too_many_unknown:
            return "too many frames of unknown kinds";
        case Errc::no_data_in_records:
            return "too many TLS records without data";
        case Errc::peer_takes_nothing:
            return "the peer does not read what it is sent";
        case Errc::proxy_unreachable:
            return "the proxy that leads out cannot be reached: check --connect-through";
        case Errc::proxy_login_refused:
            return "the proxy that leads out wants another user or password: check "
                   "--connect-through and --connect-through-password-file";
        case Errc::proxy_refused:
            return "the proxy that leads out does not connect to the remote proxy";
        case Errc::not_a_proxy:
            return "no proxy of this kind answers: check --connect-through";
        }
        return "unknown error";
    }
};

} // namespace

const std::error_category& error_category()
{
    static const Category category;
    return category;
}

std::error_code make_error_code(Errc errc)
{
    return {static_cast<int>(errc), error_category()};
}

std::error_code last_error()
{
    return {errno, std::system_category()};
}

void fail(std::error_code code, const std::string& what)
{
    if (what.empty()) // else the message would begin with ": "
        throw std::system_error(code);
    throw std::system_error(code, what);
}

} // namespace tunnel
