// Answers of a management interface, as commands read them: what is read does not depend on where
// the bytes were cut, and has its bounds.
#include "common/http/response_reader.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;
using Progress = ResponseReader::Progress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    constexpr std::size_t longest_body = 256;
    Pieces pieces{Input(data, size)};
    ResponseReader whole(longest_body);
    ResponseReader cut(longest_body);
    whole.put(pieces.rest());
    for (;;) {
        const std::string_view piece = pieces.next();
        if (piece.empty())
            break;
        cut.put(piece);
    }
    require(whole.progress() == cut.progress(), "where bytes are cut does not matter");
    if (whole.progress() == Progress::wrong) {
        require(!whole.problem().empty(), "what is wrong is said");
        require(whole.problem() == cut.problem(), "the same however it came");
    }
    if (whole.progress() != Progress::whole)
        return 0;
    const Answer& answer = whole.answer();
    require(answer.body.size() <= longest_body, "a body has a bound");
    require(answer.kept.find_first_of("\r\n") == std::string::npos, "a header is one line");
    require(answer.status == cut.answer().status && answer.body == cut.answer().body &&
                answer.kept == cut.answer().kept,
            "an answer is the same however it comes");
    return 0;
}
