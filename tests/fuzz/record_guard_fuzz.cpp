// Records of a TLS peer: the same is thought of them, however the bytes come.
#include "common/transport/record_guard.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

struct Judged {
    std::uint64_t records = 0;
    std::string_view objection;

    friend bool operator==(const Judged&, const Judged&) = default;
};

RecordGuard made_for(bool handshake, bool tls_1_2)
{
    RecordGuard guard(20'000);
    if (tls_1_2)
        guard.agreed_on_tls_1_2();
    if (!handshake)
        guard.handshake_done();
    return guard;
}

Judged judged(const RecordGuard& guard)
{
    return {guard.records(), guard.objection()};
}

bool takes(RecordGuard& guard, std::string_view bytes)
{
    const bool taken = guard.take(std::as_bytes(std::span(bytes)));
    require(taken == guard.objection().empty(), "what is not taken is objected to");
    return taken;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const auto kind = input.choice();
    const bool handshake = kind % 2 == 0;
    const bool tls_1_2 = kind % 4 >= 2;
    Pieces pieces(input);
    RecordGuard one_by_one = made_for(handshake, tls_1_2);
    for (const char& byte : pieces.rest()) {
        if (!takes(one_by_one, {&byte, 1}))
            break;
    }
    RecordGuard in_pieces = made_for(handshake, tls_1_2);
    while (!pieces.rest().empty() && takes(in_pieces, pieces.next()))
        ;
    // By which byte it is too many depends on where the pieces end.
    if (one_by_one.objection() != "too many bytes in a TLS handshake" &&
        in_pieces.objection() != "too many bytes in a TLS handshake")
        require(judged(one_by_one) == judged(in_pieces), "pieces are judged as single bytes are");
    require(!handshake || one_by_one.records() <= RecordGuard::most_handshake_records + 1,
            "a handshake has only so many records");
    require(handshake || one_by_one.records() <= RecordGuard::most_without_data + 2,
            "there are only so many records without data");
    return 0;
}
