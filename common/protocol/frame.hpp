// What the two proxies say to each other, as values and as bytes. No I/O. docs/protocol.md tells
// the same for people.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/code.hpp"
#include "common/base/ids.hpp"
#include "common/transport/http_settings.hpp"
#include "common/transport/service_kind.hpp"

namespace tunnel {

// The first bytes of every connection from an origin proxy. The first is not ASCII, so that no
// text protocol begins like it.
inline constexpr std::array<std::uint8_t, 4> magic{0xf4, 'T', 'R', 'P'};

// The versions of the protocol that this program speaks.
inline constexpr std::uint16_t lowest_version = 1;
inline constexpr std::uint16_t highest_version = 1;

namespace feature {

// A feature of a log-in: this origin proxy parks data connections and uses them again, so every
// stream on its data connections is framed.
inline constexpr std::string_view parking = "parking";

// A feature of a log-in and of its welcome: the origin proxy offers its services one by one,
// instead of serving the one that the log-in names.
inline constexpr std::string_view services = "services";

// A feature of a log-in and of its welcome: the origin proxy tells whether its origin servers are
// well, if it checks them.
inline constexpr std::string_view health_checks = "health-checks";

// A feature of a log-in: an announcement may ask for a header of the PROXY protocol.
inline constexpr std::string_view visitor_headers = "visitor-headers";

// A feature of a log-in and of its welcome: services may have names on a port that they share.
inline constexpr std::string_view names = "names";

// A feature of a log-in and of its welcome: the remote proxy reads the requests of visitors who
// speak HTTP, and treats them as an offer says.
inline constexpr std::string_view http = "http";

// A feature of a log-in: when another process takes over from the remote proxy, the origin proxy
// logs in there, and keeps the former control connection until it is told goodbye.
inline constexpr std::string_view move = "move";

} // namespace feature

// The service of those who name none.
inline constexpr std::string_view default_service = "default";

enum class FrameKind : std::uint8_t {
    log_in = 1,
    welcome = 2,
    reject = 3,
    announce = 4,
    dial_back = 5,
    start = 6,
    refuse = 7,
    heartbeat = 8,
    probe = 9,
    notice = 10,
    goodbye = 11,
    // 12 to 14 frame the bytes of a stream, see common/relay/framing.hpp.
    park = 15,
    challenge = 16,
    proof = 17,
    offer = 18,
    opened = 19,
    declined = 20,
    withdraw = 21,
    server_health = 22,
    move = 23,
};

// That the sender knows a key: an HMAC-SHA256, see common/security/proof.hpp.
using ProofBytes = std::array<std::uint8_t, 32>;

// Where there is a secret but no encryption: which secret the origin proxy knows, and random bytes
// that nobody has seen before.
struct Claimed {
    RandomBytes credential{};
    RandomBytes nonce{};

    friend bool operator==(const Claimed&, const Claimed&) = default;
};

// Origin proxy, first frame of a control connection.
struct LogIn {
    static constexpr FrameKind kind = FrameKind::log_in;

    std::uint16_t lowest_version = tunnel::lowest_version;
    std::uint16_t highest_version = tunnel::highest_version;
    std::string program_version;
    std::vector<std::string> features;
    std::string service{default_service};
    OriginId origin;
    // The sender gives the connection up when it receives nothing for this long.
    std::chrono::milliseconds heartbeat_timeout{0};
    std::optional<Claimed> claimed{}; // it expects a challenge, and proves it then
    // What the origin proxy calls itself; means something together with what it proves alone.
    // Empty: an older program, which has no name.
    std::string name{};

    friend bool operator==(const LogIn&, const LogIn&) = default;
};

// Remote proxy: logged in.
struct Welcome {
    static constexpr FrameKind kind = FrameKind::welcome;

    std::uint16_t version = 0; // the one that both speak from here on
    std::string program_version;
    std::vector<std::string> features;
    std::string outside_address;
    std::chrono::milliseconds heartbeat_timeout{0};
    // If the streams of its data connections are framed: the log-in asked for parking, or the
    // connections are encrypted.
    std::optional<SessionId> session{};

    friend bool operator==(const Welcome&, const Welcome&) = default;
};

enum class RejectReason : std::uint8_t {
    version = 1,       // no version that both speak
    service = 2,       // no such service here
    in_use = 3,        // another origin proxy, which answers, has the service
    shutting_down = 4, // try again later, another process may come
    not_trusted = 5,   // no secret, or another one, or one where none is expected
    name = 6,          // what it calls itself is no name
    too_many = 7,      // origin proxies are logged in
};

// Remote proxy: not logged in; it closes the connection after this.
struct Reject {
    static constexpr FrameKind kind = FrameKind::reject;

    RejectReason reason{};
    std::string text;

    friend bool operator==(const Reject&, const Reject&) = default;
};

// Remote proxy: a visitor is here. On the control connection, or on a parked data connection, where
// the visitor's stream follows. Answered by a data connection that presents the ticket, or by a
// refuse.
struct Announce {
    static constexpr FrameKind kind = FrameKind::announce;

    Ticket ticket;
    std::string visitor; // "ip:port"
    std::string service;
    std::string outside{}; // "ip:port" that the visitor connected to; empty: of an older one
    // The origin server is to be told of the visitor by a header of the PROXY protocol, v1, if
    // the origin proxy has not been told which it wants; where it has the feature.
    bool wants_header = false;

    friend bool operator==(const Announce&, const Announce&) = default;
};

// Origin proxy, first frame of a data connection.
struct DialBack {
    static constexpr FrameKind kind = FrameKind::dial_back;

    Ticket ticket;
    std::optional<ProofBytes> proof{}; // where there is a secret but no encryption

    friend bool operator==(const DialBack&, const DialBack&) = default;
};

// Origin proxy, on a data connection: the origin server is connected. What follows are its bytes,
// both ways; in frames if the session has parking.
struct Start {
    static constexpr FrameKind kind = FrameKind::start;

    friend bool operator==(const Start&, const Start&) = default;
};

// Origin proxy: that visitor cannot be served. On the control connection, or, once the ticket has
// been presented, on the data connection in the place of start.
struct Refuse {
    static constexpr FrameKind kind = FrameKind::refuse;

    Ticket ticket;
    std::string text;                 // why, for both logs
    Code code = Code::origin_refused; // that, of an older program

    friend bool operator==(const Refuse&, const Refuse&) = default;
};

// Either: still here.
struct Heartbeat {
    static constexpr FrameKind kind = FrameKind::heartbeat;

    friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

// Either: are you still there? Answered by a heartbeat at once.
struct Probe {
    static constexpr FrameKind kind = FrameKind::probe;

    friend bool operator==(const Probe&, const Probe&) = default;
};

// Either: something a person should read in the log.
struct Notice {
    static constexpr FrameKind kind = FrameKind::notice;

    std::string text;

    friend bool operator==(const Notice&, const Notice&) = default;
};

// Either: this connection is closed on purpose.
struct Goodbye {
    static constexpr FrameKind kind = FrameKind::goodbye;

    std::string text;
    Code code = Code::goodbye; // that, of an older program

    friend bool operator==(const Goodbye&, const Goodbye&) = default;
};

// Origin proxy, first frame of a data connection that waits for a visitor to be announced on it.
struct Park {
    static constexpr FrameKind kind = FrameKind::park;

    // Where there is a secret but no encryption. No number is good twice.
    struct Numbered {
        std::uint64_t number = 0;
        ProofBytes proof{};

        friend bool operator==(const Numbered&, const Numbered&) = default;
    };

    SessionId session;
    std::optional<Numbered> numbered{};

    friend bool operator==(const Park&, const Park&) = default;
};

// Remote proxy, in answer to a log-in with `claimed`: proves that it knows the secret, and asks the
// same of the origin proxy.
struct Challenge {
    static constexpr FrameKind kind = FrameKind::challenge;

    RandomBytes nonce{};
    ProofBytes proof{};

    friend bool operator==(const Challenge&, const Challenge&) = default;
};

// Origin proxy, in answer to the challenge.
struct Proof {
    static constexpr FrameKind kind = FrameKind::proof;

    ProofBytes proof{};

    friend bool operator==(const Proof&, const Proof&) = default;
};

// Origin proxy, where services are offered: it serves this one. Answered by an opened or a
// declined, and once more whenever that changes.
struct Offer {
    static constexpr FrameKind kind = FrameKind::offer;

    std::string service;
    // Where visitors are to connect to, as parse_address() has it, port 0 for any that is free;
    // empty: where the remote proxy's own options say.
    std::string outside_address{};
    // Of this control connection, and never again there; 0: of an older program, which has none.
    std::uint64_t number = 0;
    // In the place of an address, where both have the feature.
    PublicNames names{};
    // Visitors at the outside address speak HTTP.
    bool speaks_http = false;
    // Of visitors who speak HTTP, where both have the feature.
    HttpSettings http{};

    friend bool operator==(const Offer&, const Offer&) = default;
};

// Remote proxy: the service's visitors are announced from now on.
struct Opened {
    static constexpr FrameKind kind = FrameKind::opened;

    std::string service;
    std::string outside_address; // "ip:port", or as to_text() has names
    std::uint64_t number = 0;    // of the offer that it is about

    friend bool operator==(const Opened&, const Opened&) = default;
};

enum class DeclineReason : std::uint8_t {
    not_allowed = 1,      // to this origin proxy, or to nobody
    in_use = 2,           // by another origin proxy that answers; an opened follows once it is not
    cannot_listen = 3,    // at that address
    too_many = 4,         // services of one origin proxy
    removed = 5,          // was open, and is no longer
    host_taken = 6,       // by another service, or kept for the one that had it
    host_not_allowed = 7, // to this origin proxy
    no_certificate = 8,   // for a name that is to be served by https
};

// Remote proxy: there are no visitors of this service for the origin proxy.
struct Declined {
    static constexpr FrameKind kind = FrameKind::declined;

    std::string service;
    DeclineReason reason{};
    std::string text;
    std::uint64_t number = 0; // of the offer that it is about

    friend bool operator==(const Declined&, const Declined&) = default;
};

// Origin proxy: it no longer serves this one; visitors that are here may finish.
struct Withdraw {
    static constexpr FrameKind kind = FrameKind::withdraw;

    std::string service;

    friend bool operator==(const Withdraw&, const Withdraw&) = default;
};

enum class ServerState : std::uint8_t { well = 1, ill = 2 };

// Origin proxy, where both have the feature: what its checks say of the origin server of a service
// that it serves, whenever that changes. Until it is told one is well.
struct ServerHealth {
    static constexpr FrameKind kind = FrameKind::server_health;

    std::string service;
    ServerState state{};
    std::string text; // why it is ill, for the log

    friend bool operator==(const ServerHealth&, const ServerHealth&) = default;
};

// Remote proxy, where the log-in has the feature: another process has its address, so log in anew.
// Visitors may still come on the data connections that are parked here.
struct Move {
    static constexpr FrameKind kind = FrameKind::move;

    friend bool operator==(const Move&, const Move&) = default;
};

// A kind that a later version has: skipped.
struct Unknown {
    std::uint8_t kind = 0;

    friend bool operator==(const Unknown&, const Unknown&) = default;
};

using Frame = std::variant<LogIn, Welcome, Reject, Announce, DialBack, Start, Refuse, Heartbeat,
                           Probe, Notice, Goodbye, Park, Challenge, Proof, Offer, Opened, Declined,
                           Withdraw, ServerHealth, Move, Unknown>;

// What stands before the fields of a frame.
struct FrameHeader {
    static constexpr std::size_t wire_size = 3;

    std::uint16_t body_size = 0; // bytes that follow the header
    std::uint8_t kind = 0;
};

// Texts longer than this are cut by encode() and make a frame malformed in decode().
inline constexpr std::size_t longest_text = 1024;

// The bytes of `frame`, header included. Never more than 64 KiB: texts are cut, and what is beyond
// the 32nd of a list, or of logins beyond their bounds, is left out.
std::string encode(const Frame& frame);

// nullopt: no such header, whatever sent these bytes does not speak our protocol.
std::optional<FrameHeader>
decode_header(std::span<const std::uint8_t, FrameHeader::wire_size> bytes);

// nullopt: a size that does not fit or a field that is missing. Unknown fields are skipped, an
// unknown kind becomes Unknown.
std::optional<Frame> decode(std::uint8_t kind, std::span<const std::uint8_t> body);

// The version for both, nullopt if there is none.
std::optional<std::uint16_t> common_version(std::uint16_t lowest, std::uint16_t highest);

} // namespace tunnel
