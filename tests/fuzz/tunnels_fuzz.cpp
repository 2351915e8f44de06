// The JSON of PUT /tunnels and of the state file: what is taken can be written and read again, and
// what is not is refused in one printable line.
#include <set>
#include <stdexcept>
#include <string>

#include "remote-proxy/registry/saved_state.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

void check_words(std::string_view words)
{
    require(!words.empty(), "what is wrong is told");
    require(std::ranges::all_of(words, [](unsigned char c) { return c >= ' ' && c < 0x7f; }),
            "what is wrong is told in one printable line");
}

void check_tunnels(const std::vector<PublicTunnel>& tunnels)
{
    require(tunnels.size() <= most_tunnels, "tunnels have a bound");
    std::set<std::string> keys;
    for (const PublicTunnel& each : tunnels) {
        require(keys.insert(each.key()).second, "each has an address of its own");
        require(each.listen_port != 0 && !each.client.empty() && !each.service.empty(),
                "each is complete");
    }
    require(parse_tunnels(parse_json(to_line(to_json(tunnels)))) == tunnels,
            "what is written is read again");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = Input(data, size).text();
    try {
        check_tunnels(parse_tunnels(parse_json(text)));
    } catch (const SteeringError& error) {
        check_words(error.what());
        require(error.status() == 400 || error.status() == 422 || error.status() == 501,
                "what is wrong has a status");
    }
    try {
        const SavedState kept = parse_saved_state(text);
        check_tunnels(kept.tunnels);
        require(parse_saved_state(to_text(kept)) == kept, "what is kept is read again");
    } catch (const std::runtime_error& error) {
        check_words(error.what());
    }
    return 0;
}
