// Requests to the management interface: what is read does not depend on where the bytes were cut,
// has its bounds, and says in one way where it ends.
#include "common/http/request_reader.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;
using Progress = RequestReader::Progress;

namespace {

constexpr RequestReader::Limits limits{512, 8, 256};

bool equal(const Request& one, const Request& other)
{
    return one.method == other.method && one.segments == other.segments &&
           one.query == other.query && one.host == other.host &&
           one.authorization == other.authorization && one.content_type == other.content_type &&
           one.has_body == other.has_body && one.expects_continue == other.expects_continue &&
           one.keep_alive == other.keep_alive && one.body == other.body &&
           one.is_whole_server == other.is_whole_server && one.is_http_1_0 == other.is_http_1_0 &&
           one.target == other.target && one.host_header == other.host_header;
}

void check(const Request& request)
{
    require(request.segments.empty() == request.is_whole_server, "a request has a path");
    require(!request.is_whole_server || request.method == Method::options,
            "only OPTIONS asks the whole server");
    require(request.body.size() <= limits.body, "a body has a bound");
    require(request.has_body || request.body.empty(), "what has a body says so");
    require(!request.expects_continue || request.has_body, "only a body is waited with");
    for (const std::string& segment : request.segments)
        require(segment.find_first_of(std::string("\0\r\n", 3)) == std::string::npos,
                "a path has no control characters");
    require(request.host || request.is_http_1_0, "since HTTP/1.1 there is a host");
    require(!request.host || request.host->find_first_of(" \t\r\n/@") == std::string::npos,
            "a host is one");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Pieces pieces{Input(data, size)};
    RequestReader whole(limits);
    RequestReader cut(limits);
    whole.put(pieces.rest());
    for (;;) {
        while (cut.progress() != Progress::whole && cut.progress() != Progress::wrong) {
            const std::string_view piece = pieces.next();
            if (piece.empty())
                break;
            cut.put(piece);
        }
        require(whole.progress() == cut.progress(), "where bytes are cut does not matter");
        if (whole.progress() == Progress::wrong) {
            require(whole.problem().status >= 400, "what is wrong has a status");
            require(whole.problem().status == cut.problem().status, "the same one however it came");
            require(whole.put("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == Progress::wrong,
                    "nothing has a meaning after something wrong");
        }
        if (whole.progress() != Progress::whole)
            return 0;
        check(whole.request());
        require(equal(whole.request(), cut.request()), "requests are the same however they come");
        whole.next();
        cut.next();
    }
}
