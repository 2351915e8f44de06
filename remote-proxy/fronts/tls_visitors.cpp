#include "remote-proxy/fronts/tls_visitors.hpp"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

constexpr unsigned most_handshake_threads = 8;

// What a browser shows that was sent to the port with http://.
constexpr std::string_view this_is_https =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 65\r\n"
    "Connection: close\r\n"
    "\r\n"
    "400 Bad Request: this is HTTPS, and you speak HTTP: use https://\n";

constexpr auto unrecognized_name = fatal_alert(TlsAlert::unrecognized_name);
constexpr auto decode_error = fatal_alert(TlsAlert::decode_error);
constexpr auto record_overflow = fatal_alert(TlsAlert::record_overflow);
constexpr auto protocol_version = fatal_alert(TlsAlert::protocol_version);

std::string_view text_of(const std::array<char, 7>& alert)
{
    return {alert.data(), alert.size()};
}

// How many bytes there have to be before another look can tell more: up to the end of the record
// that is coming. So whoever sends byte by byte is looked at for each record only.
std::size_t needed(std::string_view seen)
{
    constexpr char handshake_record = 22;
    if (seen.front() != handshake_record) // the method of an HTTP request
        return seen.size() + 1;
    constexpr std::size_t header = 5;
    std::size_t record = 0; // where it begins
    while (seen.size() >= record + header) {
        const auto high = static_cast<unsigned char>(seen[record + 3]);
        const auto low = static_cast<unsigned char>(seen[record + 4]);
        record += header + (static_cast<std::size_t>(high) << 8 | low);
        if (record > seen.size())
            return std::min(record, most_hello_bytes);
    }
    return std::min(record + header, most_hello_bytes);
}

// Whether its stream has ended, or is broken.
bool has_left(const Fd& socket)
{
    pollfd look{socket.get(), POLLRDHUP, 0};
    return ::poll(&look, 1, 0) != 0;
}

// Says it, and ends the stream. What has been received is read before closing, which would reset
// the connection otherwise, and the peer might not see it.
void say_last(Fd socket, std::string_view bytes)
{
    allow_clean_close(socket.get());
    ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(socket.get(), SHUT_WR);
    constexpr std::size_t most_read = 128 * 1024;
    ::recv(socket.get(), nullptr, most_read, MSG_TRUNC | MSG_DONTWAIT);
}

} // namespace

TlsVisitors::TlsVisitors(Uses uses)
    : uses_(uses),
      pool_({[this](Newcomer& newcomer, std::size_t waited_for) {
                 return look(newcomer, waited_for);
             },
             [this](Newcomer newcomer) {
                 refuse(std::move(newcomer), Code::no_room,
                        "too many connections have not said which name they want");
             }}),
      handshakes_(uses.io,
                  std::clamp(std::thread::hardware_concurrency(), 1U, most_handshake_threads))
{
}

void TlsVisitors::take(Newcomer newcomer)
{
    if (const ServicePointer* const only = newcomer.front->only())
        return pass_on(*only, std::move(newcomer));
    const std::size_t more = look(newcomer, 0);
    if (more == 0)
        return;
    uses_.alarm.ring_by(newcomer.since + uses_.options.handshake_timeout);
    pool_.wait(std::move(newcomer), more, most_waiting());
}

// How many bytes to wait for; 0: it has been taken.
std::size_t TlsVisitors::look(Newcomer& newcomer, std::size_t waited_for)
{
    static thread_local std::array<char, most_hello_bytes> room;
    const ssize_t size =
        ::recv(newcomer.socket.get(), room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
    const bool is_empty = size < 0 && (errno == EAGAIN || errno == EINTR);
    if (is_empty && waited_for == 0)
        return 1;
    const std::size_t seen = size > 0 ? static_cast<std::size_t>(size) : 0;
    if ((seen < waited_for || size == 0) && !is_empty && has_left(newcomer.socket)) {
        if (waited_for > 1 || size < 0)
            refuse(std::move(newcomer), Code::bad_hello, "it left within its hello");
        else
            newcomer.socket = Fd(); // a port scan, or a health check
        return 0;
    }
    if (seen < waited_for || seen == 0) {
        uses_.alarm.ring_by(pool_.next_look().value_or(Clock::now() + HelloPool::patience));
        return waited_for; // the kernel may wake early, where memory is short
    }
    const std::string_view bytes(room.data(), seen);
    const auto found = find_hello_name(bytes);
    if (const auto* const hello = std::get_if<HelloName>(&found)) {
        route(std::move(newcomer), *hello);
        return 0;
    }
    const NoHello why = std::get<NoHello>(found);
    if (why == NoHello::not_whole)
        return std::max(needed(bytes), seen + 1);
    refuse(std::move(newcomer), why);
    return 0;
}

void TlsVisitors::route(Newcomer newcomer, const HelloName& hello)
{
    const std::string_view alert = text_of(unrecognized_name);
    if (!hello.is_valid)
        return refuse(std::move(newcomer), Code::unknown_host, "what it asks for is no host name",
                      alert);
    const ServicePointer* const found = newcomer.front->routes.find(hello.name);
    if (found == nullptr && hello.name.empty())
        return refuse(std::move(newcomer), Code::no_host, "it names no host", alert);
    if (found == nullptr)
        return refuse(std::move(newcomer), Code::unknown_host,
                      fmt::format("no service has the name {}", hello.name), alert);
    const ServicePointer service = *found;
    if (service->options.names.kind == ServiceKind::https && !uses_.state.stopping)
        return shake_hands(service, std::move(newcomer), hello.name);
    pass_on(service, std::move(newcomer));
}

bool TlsVisitors::takes_visitors(const PublicService& service) const
{
    return !uses_.state.stopping && uses_.fronts.is_open(service);
}

// Nobody looks at what it has said.
void TlsVisitors::pass_on(const ServicePointer& service, Newcomer newcomer)
{
    if (!takes_visitors(*service))
        return refuse(std::move(newcomer), Code::service_closed,
                      "its service takes no visitors now", {}, service.get());
    auto permit = uses_.admission.permit(*service, newcomer.peer);
    if (!permit)
        return reset(newcomer.socket);
    Channel channel(std::move(newcomer.socket));
    admit(service, std::move(newcomer), std::move(channel), std::move(*permit));
}

void TlsVisitors::shake_hands(const ServicePointer& service, Newcomer newcomer,
                              const std::string& name)
{
    if (!certificates_ || certificates_->context_for(name) == nullptr)
        return refuse(std::move(newcomer), Code::no_certificate,
                      fmt::format("there is no certificate for {}",
                                  name.empty() ? "a visitor who names no host" : name),
                      text_of(unrecognized_name), service.get());
    auto permit = uses_.admission.permit(*service, newcomer.peer);
    if (!permit)
        return reset(newcomer.socket);
    const auto deadline = newcomer.since + uses_.options.handshake_timeout;
    // std::function wants to be copied.
    const auto kept = std::make_shared<VisitorLimits::Permit>(std::move(*permit));
    handshakes_.begin(std::move(newcomer), certificates_, name, deadline, most_waiting(),
                      [this, service, kept](Newcomer back, VisitorHandshakes::Result result,
                                            HandshakePool::Outcome outcome) {
                          finish(service, std::move(back), std::move(result), std::move(*kept),
                                 outcome);
                      });
    if (const auto next = handshakes_.next_deadline())
        uses_.alarm.ring_by(*next);
}

void TlsVisitors::finish(const ServicePointer& service, Newcomer newcomer,
                         VisitorHandshakes::Result result, VisitorLimits::Permit permit,
                         HandshakePool::Outcome outcome)
{
    if (uses_.state.stopped)
        return reset(result.channel);
    if (result.channel.is_open())
        return admit(service, std::move(newcomer), std::move(result.channel), std::move(permit));
    if (outcome == HandshakePool::Outcome::pushed_out)
        return refuse(std::move(newcomer), Code::no_room, "too many handshakes are under way", {},
                      service.get());
    if (outcome == HandshakePool::Outcome::late || result.error == asio::error::timed_out)
        return refuse(std::move(newcomer), Code::timeout, "the handshake was not done in time", {},
                      service.get());
    refuse(std::move(newcomer), Code::handshake_failed,
           result.why.empty() ? result.error.message() : result.why, {}, service.get());
}

void TlsVisitors::admit(const ServicePointer& service, Newcomer newcomer, Channel channel,
                        VisitorLimits::Permit permit)
{
    const bool is_http = channel.is_encrypted(); // each of its requests is answered
    if (!is_http && (service->retired || !uses_.fronts.is_open(*service))) { // meanwhile
        reset(channel);
        return refuse(std::move(newcomer), Code::service_closed,
                      "its service takes no visitors now", {}, service.get());
    }
    if (uses_.admission.is_full()) {
        ++counts_.of(Code::no_room);
        return uses_.admission.turn_away(service.get(), std::move(channel), newcomer.peer);
    }
    ++counts_.passed_on;
    if (is_http) {
        HttpClient client{std::move(channel),
                          {newcomer.peer, newcomer.outside, newcomer.front, newcomer.is_proxy}};
        client.permit = std::move(permit);
        client.permitted_by = service->number;
        return uses_.http.take(std::move(client));
    }
    // What was looked at is known to be TLS.
    const bool was_looked_at = newcomer.front->only() == nullptr;
    const Guard guard = was_looked_at ? nullptr : newcomer.guard;
    uses_.admission.admit(service, {std::move(channel), newcomer.peer, newcomer.outside, guard},
                          std::move(permit));
}

void TlsVisitors::refuse(Newcomer newcomer, NoHello why)
{
    switch (why) {
    case NoHello::plain_http:
        return refuse(std::move(newcomer), Code::bad_hello, "it speaks HTTP without TLS",
                      this_is_https);
    case NoHello::old_ssl:
        return refuse(std::move(newcomer), Code::bad_hello, "it speaks SSL 2",
                      text_of(protocol_version));
    case NoHello::malformed:
        return refuse(std::move(newcomer), Code::bad_hello, "its TLS hello is malformed",
                      text_of(decode_error));
    case NoHello::too_large:
        return refuse(std::move(newcomer), Code::bad_hello, "its TLS hello is too large",
                      text_of(record_overflow));
    case NoHello::not_tls:
    case NoHello::not_whole:
        break;
    }
    refuse(std::move(newcomer), Code::bad_hello, "it does not speak TLS");
}

void TlsVisitors::refuse(Newcomer newcomer, Code reason, std::string_view words,
                         std::string_view last_bytes, const PublicService* service)
{
    ++counts_.of(reason);
    const std::string peer = to_string(newcomer.peer);
    uses_.tallies.count(uses_.tallies.not_routed, peer, words, reason);
    uses_.admission.records().note_refusal(service, peer, {reason, std::string(words)}, false);
    if (!newcomer.socket.is_open())
        return;
    if (last_bytes.empty())
        reset(newcomer.socket);
    else
        say_last(std::move(newcomer.socket), last_bytes);
}

void TlsVisitors::expire(Clock::time_point now)
{
    pool_.look_again(now);
    handshakes_.expire(now);
    constexpr int ended_per_turn = 64;
    for (int i = 0; i < ended_per_turn; ++i) {
        auto late = pool_.expire(now - uses_.options.handshake_timeout);
        if (!late)
            return;
        refuse(std::move(*late), Code::timeout, "it has not said in time which name it wants");
    }
}

std::optional<Clock::time_point> TlsVisitors::next_deadline() const
{
    std::optional<Clock::time_point> next = handshakes_.next_deadline();
    const auto consider = [&next](std::optional<Clock::time_point> time) {
        if (time && (!next || *time < *next))
            next = time;
    };
    if (const auto oldest = pool_.oldest())
        consider(*oldest + uses_.options.handshake_timeout);
    consider(pool_.next_look());
    return next;
}

void TlsVisitors::stop()
{
    pool_.clear();
    handshakes_.stop();
}

} // namespace tunnel
