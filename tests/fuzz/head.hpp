// What must be true of each head that is found, and of the message behind it.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "common/http/body_scanner.hpp"
#include "common/http/message_head.hpp"
#include "tests/fuzz/beast_message.hpp"
#include "tests/fuzz/input.hpp"

namespace tunnel::fuzz {

using Find = HeadSearch (*)(std::string_view bytes, std::size_t searched);

// The same is found however the bytes come. Answers with it.
inline HeadSearch find_in_pieces(Find find, Pieces pieces)
{
    const std::string_view all = pieces.rest();
    const HeadSearch whole = find(all, 0);
    HeadSearch cut;
    std::size_t size = 0;
    while (cut.is == HeadSearch::Is::incomplete && size < all.size()) {
        size += pieces.next().size();
        cut = find(all.substr(0, size), cut.size);
        require(cut.is != HeadSearch::Is::incomplete || cut.size == size, "all bytes are searched");
    }
    require(whole.is == cut.is && whole.size == cut.size &&
                whole.problem.status == cut.problem.status,
            "where bytes are cut does not matter");
    require((whole.is == HeadSearch::Is::wrong) == !whole.problem.text.empty(),
            "what is wrong is told");
    if (whole.is == HeadSearch::Is::whole)
        require(whole.size <= largest_head && all.substr(0, whole.size).ends_with("\r\n\r\n"),
                "a head ends in an empty line");
    return whole;
}

inline void require_good_fields(const std::vector<HeaderField>& fields, std::string_view head)
{
    require(fields.size() <= most_fields, "there are not too many fields");
    for (const HeaderField& field : fields) {
        require(!field.name.empty(), "each field has a name");
        for (const std::string_view text : {field.name, field.value}) {
            require(text.data() >= head.data() &&
                        text.data() + text.size() <= head.data() + head.size(),
                    "fields are views of the head");
            require(
                std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == 0; }),
                "a field is on one line");
        }
    }
}

// Beast finds the same end of the message, or takes it for none; bytes behind a wrong one are not
// shown to it, which has assertions about trailers.
template <bool is_request>
void require_same_end(std::string_view head, BodySize size, std::string_view rest, bool has_no_body)
{
    BodyScanner scanner(size);
    const std::size_t taken = scanner.put(rest);
    BeastMessage<is_request> beast(has_no_body);
    const auto end = beast.end_in({head.data(), head.size() + taken});
    if (beast.failed())
        return;
    if (scanner.state() == BodyScanner::State::whole)
        require(end == head.size() + taken, "Beast finds the same end of a message");
    else
        require(!end, "Beast does not find an earlier end of a message");
}

} // namespace tunnel::fuzz
