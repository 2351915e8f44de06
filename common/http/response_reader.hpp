// Parses one answer of a management interface, by Boost.Beast's parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tunnel {

// What was answered to a request.
struct Answer {
    unsigned status = 0;
    std::string body{};
    std::string kept{}; // what the header Tunnel-Kept says
};

// No sockets and no clock. An answer must have a Content-Length, which the management interface
// always sends: so an answer that was cut short is noticed.
class ResponseReader {
public:
    enum class Progress : std::uint8_t { unfinished, whole, wrong };

    // A longer body is wrong.
    explicit ResponseReader(std::size_t longest_body);
    ResponseReader(ResponseReader&&) noexcept;
    ~ResponseReader();

    // Bytes after a whole answer are ignored.
    Progress put(std::string_view bytes);

    Progress progress() const { return progress_; }

    // When progress is whole.
    const Answer& answer() const { return answer_; }

    // When progress is wrong: why.
    const std::string& problem() const { return problem_; }

private:
    struct Parser;

    Progress read();
    bool read_head();
    Progress fail(std::string problem);
    std::string objection() const;

    std::unique_ptr<Parser> parser_;
    std::string pending_; // received, not parsed yet
    Progress progress_ = Progress::unfinished;
    bool has_head_ = false;
    Answer answer_;
    std::string problem_;
};

} // namespace tunnel
