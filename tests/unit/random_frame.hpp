// Frames with random contents, the same ones in every run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/protocol/frame.hpp"

namespace tunnel::test {

// xorshift64 by Marsaglia: short, and alike on every platform.
class Random {
public:
    std::uint64_t next()
    {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }

    std::uint64_t below(std::uint64_t bound) { return next() % bound; }

    template <class Number>
    Number number()
    {
        return static_cast<Number>(next() >> 16);
    }

    // Any bytes; mostly short, sometimes as long as a text may be.
    std::string text()
    {
        std::string text(below(8) == 0 ? longest_text : below(40), '\0');
        std::ranges::generate(text, [this] { return number<char>(); });
        return text;
    }

    RandomBytes bytes()
    {
        RandomBytes bytes;
        std::ranges::generate(bytes, [this] { return number<std::uint8_t>(); });
        return bytes;
    }

    ProofBytes proof()
    {
        ProofBytes proof;
        std::ranges::generate(proof, [this] { return number<std::uint8_t>(); });
        return proof;
    }

    template <class Value>
    std::optional<Value> maybe(Value value)
    {
        return below(2) == 0 ? std::nullopt : std::optional(value);
    }

    Code code() { return static_cast<Code>(below(code_count)); }

    std::vector<std::string> features()
    {
        std::vector<std::string> features(below(33));
        std::ranges::generate(features, [this] { return text(); });
        return features;
    }

    HttpSettings http_settings()
    {
        std::vector<std::string> logins(below(5)); // 5 of the longest have room
        std::ranges::generate(logins, [this] { return text(); });
        return {text(), below(2) == 0, std::move(logins)};
    }

    std::chrono::milliseconds duration() { return std::chrono::milliseconds(below(1'000'000'000)); }

private:
    std::uint64_t state_ = 0x2545f4914f6cdd1d;
};

// How many kinds random_frame() knows: all that there are, and Unknown.
inline constexpr std::size_t frame_kinds = std::variant_size_v<Frame>;

// A kind that no version has yet.
inline constexpr std::uint8_t first_unknown = 100;

inline Frame random_frame(Random& random, std::size_t kind)
{
    switch (kind) {
    case 0:
        return LogIn{random.number<std::uint16_t>(),
                     random.number<std::uint16_t>(),
                     random.text(),
                     random.features(),
                     random.text(),
                     OriginId{random.bytes()},
                     random.duration(),
                     random.maybe(Claimed{random.bytes(), random.bytes()}),
                     random.text()};
    case 1:
        return Welcome{random.number<std::uint16_t>(),
                       random.text(),
                       random.features(),
                       random.text(),
                       random.duration(),
                       random.maybe(SessionId{random.bytes()})};
    case 2:
        return Reject{RejectReason{random.number<std::uint8_t>()}, random.text()};
    case 3:
        return Announce{Ticket{random.bytes()}, random.text(), random.text(), random.text(),
                        random.number<std::uint8_t>() % 2 == 0};
    case 4:
        return DialBack{Ticket{random.bytes()}, random.maybe(random.proof())};
    case 5:
        return Start{};
    case 6:
        return Refuse{Ticket{random.bytes()}, random.text(), random.code()};
    case 7:
        return Heartbeat{};
    case 8:
        return Probe{};
    case 9:
        return Notice{random.text()};
    case 10:
        return Goodbye{random.text(), random.code()};
    case 11:
        return Park{SessionId{random.bytes()},
                    random.maybe(Park::Numbered{random.next(), random.proof()})};
    case 12:
        return Challenge{random.bytes(), random.proof()};
    case 13:
        return Proof{random.proof()};
    case 14:
        return Offer{
            random.text(),        random.text(),         random.number<std::uint64_t>(), {},
            random.below(2) == 0, random.http_settings()};
    case 15:
        return Opened{random.text(), random.text(), random.number<std::uint64_t>()};
    case 16:
        return Declined{random.text(), DeclineReason{random.number<std::uint8_t>()}, random.text(),
                        random.number<std::uint64_t>()};
    case 17:
        return Withdraw{random.text()};
    case 18:
        return ServerHealth{random.text(), ServerState{random.number<std::uint8_t>()},
                            random.text()};
    case 19:
        return Move{};
    default:
        return Unknown{static_cast<std::uint8_t>(first_unknown + random.below(first_unknown))};
    }
}

} // namespace tunnel::test
