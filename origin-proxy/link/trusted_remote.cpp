#include "origin-proxy/link/trusted_remote.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/protocol/reason_codes.hpp"
#include "common/security/file.hpp"
#include "common/security/proof.hpp"
#include "common/security/session.hpp"

namespace tunnel {

namespace {

// Of a remote proxy that has not proved yet who it is, and may be anyone. Ours sends none so early.
constexpr int most_notices = 4;
constexpr auto patience_for_words = std::chrono::seconds(1);

} // namespace

TrustedRemote::TrustedRemote(const TrustOptions& options, const std::string& host)
    : host_(options.server_name.empty() ? host : options.server_name),
      insecure_(options.insecure),
      secret_(load_secret(options))
{
    for (const std::string& path : {options.ca_file, options.own.certificate, options.own.key})
        files_.push_back(contents_of(path));
    const bool with_certificates = options.own.given() || !options.ca_file.empty() ||
                                   options.insecure || !options.server_name.empty() ||
                                   (options.encryption == Encryption::tls && !secret_);
    if (with_certificates)
        context_ =
            TlsContext::dials_with_certificate(options.ca_file, options.own, options.insecure);
    else if (secret_ && options.encryption != Encryption::off)
        context_ = TlsContext::dials_with_key(true);
    if (options.insecure)
        log::warn("--tls-insecure: any certificate is taken, so anyone on the way can be the "
                  "remote proxy; use --tls-ca");
}

TrustedRemote::Contents TrustedRemote::contents_of(const std::string& path)
{
    constexpr std::size_t largest = 1024 * 1024;
    try {
        return mac(Key(), path.empty() ? std::string_view() : read_file(path, largest).view());
    } catch (const std::runtime_error&) { // whoever uses it says what is wrong
        return std::nullopt;
    }
}

bool TrustedRemote::same_as(const TrustedRemote& other) const
{
    const auto is_known = [](const Contents& each) { return each.has_value(); };
    return host_ == other.host_ && insecure_ == other.insecure_ && secret_ == other.secret_ &&
           encrypts() == other.encrypts() && files_ == other.files_ &&
           std::ranges::all_of(files_, is_known);
}

awaitable<std::optional<Key>> TrustedRemote::shake_hands(AsyncChannel& channel) const
{
    const int descriptor = channel.socket().native_handle();
    std::optional<Handshake> handshake;
    if (secret_)
        handshake.emplace(*context_, descriptor, control_key(*secret_));
    else
        handshake.emplace(*context_, descriptor, host_);
    std::optional<std::system_error> failure;
    try {
        co_await handshake->run(channel.socket());
    } catch (const std::system_error& error) {
        failure = error;
    }
    if (failure) {
        const std::string words = co_await last_words(channel, failure->code());
        if (!words.empty())
            fail(rejected(Code::not_trusted), words);
        throw std::system_error(*failure);
    }
    const Key key = handshake->exporter(exporter_label);
    channel.encrypt(handshake->take());
    co_return std::optional(key);
}

// A remote proxy that knows no key of ours says so with TLS's alert, which has no room for words,
// and sends a reject in clear behind it. Anybody on the way could have written that, as he could
// have cut the connection: it is for the log alone.
awaitable<std::string> TrustedRemote::last_words(AsyncChannel& channel,
                                                 std::error_code failure) const
{
    if (failure != Errc::wrong_secret && failure != Errc::handshake_failed)
        co_return std::string();
    const Deadline patience(channel.socket(), patience_for_words);
    try {
        const Frame frame = co_await read_frame(channel);
        if (const auto* const reject = std::get_if<Reject>(&frame))
            co_return reject->text;
    } catch (const std::system_error& error) {
        // An older one sends nothing more.
        if (error.code() == asio::error::operation_aborted && channel.socket().is_open())
            throw;
    }
    co_return std::string();
}

void TrustedRemote::claim(LogIn& log_in) const
{
    log_in.claimed = Claimed{secret_->id, random_bytes()};
}

awaitable<std::optional<Key>> TrustedRemote::answer_challenge(AsyncChannel& channel,
                                                              const LogIn& log_in) const
{
    const Key key = secret_->log_in; // the files may be read again meanwhile
    for (int notices = 0;;) {
        const Frame frame = co_await read_frame(channel);
        if (const auto* const notice = std::get_if<Notice>(&frame)) {
            if (++notices > most_notices)
                fail(make_error_code(Errc::no_proof),
                     "the remote proxy sends notices and does not prove that it knows the secret");
            log::warn("the remote proxy says", {{"notice", notice->text}});
            continue;
        }
        if (const auto* const reject = std::get_if<Reject>(&frame))
            fail(rejected(code_of(reject->reason)), reject->text);
        const auto* const challenge = std::get_if<Challenge>(&frame);
        if (challenge == nullptr)
            fail(make_error_code(Errc::no_proof),
                 "the remote proxy asks for no secret, so it may be anyone: give it the same "
                 "--secret-file");
        const ProofBytes expected = prove(key, Role::remote, log_in, challenge->nonce);
        if (!equal(challenge->proof, expected))
            fail(make_error_code(Errc::no_proof), "the remote proxy does not know this secret");
        const Proof answer{prove(key, Role::origin, log_in, challenge->nonce)};
        co_await send(channel, encode(answer));
        co_return std::optional(session_key(key, log_in, challenge->nonce));
    }
}

std::vector<TrustedRemote> trusted_remotes(const OriginOptions& options)
{
    std::vector<TrustedRemote> trusted;
    for (const RemotePeer& each : options.remote_proxies)
        trusted.emplace_back(options.trust_of(each), each.address.host);
    return trusted;
}

} // namespace tunnel
