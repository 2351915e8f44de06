// The identity in a stranger's ClientHello, on which the key of its connection depends: what is
// read is what the other proxy would have written, and of one kind only.
#include <string>

#include "common/security/session.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

constexpr std::size_t id_size = std::tuple_size_v<RandomBytes>;

RandomBytes first_of(std::string_view text)
{
    RandomBytes bytes{};
    std::ranges::copy(text.substr(0, id_size), bytes.begin());
    return bytes;
}

void check_what_is_read(std::string_view text)
{
    const auto control = parse_control_identity(text);
    const auto data = parse_data_identity(text);
    require(!control || !data, "an identity is not of both kinds");
    if (control) {
        Credential credential;
        credential.id = control->credential;
        require(control_key(credential).identity == text, "a control identity is read whole");
    }
    if (data)
        require(data_key(data->session, Key(), data->once).identity == text,
                "a data identity is read whole");
}

// Whatever the random numbers are.
void check_what_is_written(std::string_view text)
{
    Credential credential;
    credential.id = first_of(text);
    const std::string of_control = control_key(credential).identity;
    const auto control = parse_control_identity(of_control);
    require(control && control->credential == credential.id, "a control identity can be read");
    require(!parse_data_identity(of_control), "a control identity is not taken for the other");

    const SessionId session{first_of(text)};
    const RandomBytes once = first_of(text.substr(std::min(text.size(), id_size)));
    const std::string of_data = data_key(session, Key(), once).identity;
    const auto read = parse_data_identity(of_data);
    require(read && read->session == session && read->once == once, "a data identity can be read");
    require(!parse_control_identity(of_data), "a data identity is not taken for the other");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = Input(data, size).text();
    check_what_is_read(text);
    check_what_is_written(text);
    return 0;
}
