// "NAME=HOST:PORT@HOST:PORT": what is read can be written and read as the same, and is what the
// protocol and the kernel take.
#include <stdexcept>
#include <string>

#include <sys/un.h>

#include "common/options/outside.hpp"
#include "origin-proxy/options/parse_service.hpp"
#include "origin-proxy/options/servers.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

std::string printed(const OriginService& service)
{
    std::string text = service.name + "=" + to_string(service.origin_server_address);
    if (service.outside_address)
        text += (service.speaks_http ? "@http://" : "@") + to_string(*service.outside_address);
    if (service.names.given())
        text += "@" + to_text(service.names, 0);
    return text;
}

void check(OriginService service)
{
    require(service.name.size() <= 64 + 5, "a name is short, and so is its number");
    const ServerAddress& server = service.origin_server_address;
    require(server.is_unix() != (server.port != 0), "the server has either a path or a port");
    require(!server.is_unix() || server.unix_path.size() < sizeof(sockaddr_un::sun_path),
            "a path fits the system's address");
    const std::size_t number = service.name.find('[');
    if (number != std::string::npos) {
        require(service.name.ends_with(']'), "a number stands in brackets");
        service.name.resize(number);
    }
    const auto again = parse_service(printed(service));
    require(again.size() == 1 && again.front() == service, "a service survives being printed");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    try {
        const auto services = parse_service(Input(data, size).text());
        require(!services.empty() && services.size() <= most_services, "some, but not too many");
        require(contradiction(services).empty(), "those of a range do not contradict each other");
        check(services.front());
        check(services.back());
    } catch (const std::invalid_argument& error) {
        const std::string_view why = error.what();
        require(std::ranges::all_of(why, [](unsigned char c) { return c >= ' ' && c < 0x7f; }),
                "what is wrong is printable");
    }
    return 0;
}
