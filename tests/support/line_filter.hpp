// A filter whose messages are lines.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/relay/filter.hpp"

namespace tunnel::test {

// Lines go on with a sign before them: "> " forth, "< " back. Some mean something: "=5" says that
// five bytes follow that pass as they are; "stop" hands the pair back, and goes on only if it came
// back; after "open" from the back all passes as it is; "bad" makes no sense.
class LineFilter : public Filter {
public:
    struct Rules {
        std::string beginning{};
        bool may_be_early = false;
        bool is_polite = false; // forth waits for a line back
        bool survives = false;
        bool keeps_second = true;
        AtEnd at_end_forth = AtEnd::pass_on;
        AtEnd at_end_back = AtEnd::hand_back;
    };

    // What a test sees from its own thread.
    struct Seen {
        std::atomic<std::uint64_t> shown = 0;
        std::atomic<std::uint64_t> passed = 0;
    };

    LineFilter(Rules rules, std::shared_ptr<Seen> seen)
        : rules_(std::move(rules)), seen_(std::move(seen))
    {
    }

    std::string_view beginning() const override { return rules_.beginning; }

    bool may_be_early() const override { return rules_.may_be_early; }

    Step forth(std::string_view bytes, std::string& out) override
    {
        if (is_done_ || waits_)
            return {};
        return count(take(forth_, bytes, out));
    }

    Step back(std::string_view bytes, std::string& out) override
    {
        if (is_done_)
            return {bytes.size()};
        return count(take(back_, bytes, out));
    }

    bool wants_forth() const override { return !waits_; }

    std::uint64_t unseen_forth() const override { return forth_.left; }

    std::uint64_t unseen_back() const override { return back_.left; }

    void passed_forth(std::uint64_t bytes) override { pass(forth_, bytes); }

    void passed_back(std::uint64_t bytes) override { pass(back_, bytes); }

    AtEnd forth_ended() override { return end_as(rules_.at_end_forth); }

    AtEnd back_ended() override { return end_as(rules_.at_end_back); }

    bool is_done() const override { return is_done_; }

    bool survives(End) override
    {
        survived_ = true;
        return is_done_ || rules_.survives;
    }

    void on_silence(std::chrono::milliseconds) override {}

    bool keeps_second() const override { return rules_.keeps_second && !survived_; }

private:
    struct Side {
        std::string_view sign;
        std::string line{};
        std::uint64_t left = 0;
    };

    Step count(Step step)
    {
        seen_->shown += step.taken;
        return step;
    }

    Step take(Side& side, std::string_view bytes, std::string& out)
    {
        if (side.left > 0) {
            const auto size = std::min<std::uint64_t>(side.left, bytes.size());
            out += bytes.substr(0, size);
            side.left -= size;
            return {size};
        }
        const std::size_t size = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
        side.line += bytes.substr(0, size);
        if (!side.line.ends_with('\n'))
            return {size};
        const std::string line = std::exchange(side.line, {});
        const bool is_back = &side == &back_;
        if (line == "bad\n")
            return {size, Then::broken};
        is_done_ = line == "stop\n";
        if (line.starts_with('='))
            side.left = std::stoull(line.substr(1));
        waits_ = !is_back && rules_.is_polite;
        if (is_back || !is_done_)
            out.append(side.sign).append(line);
        return {size, is_back && line == "open\n" ? Then::transparent : Then::more};
    }

    void pass(Side& side, std::uint64_t bytes)
    {
        seen_->passed += bytes;
        side.left -= bytes;
    }

    AtEnd end_as(AtEnd how)
    {
        is_done_ = is_done_ || how == AtEnd::hand_back;
        return how;
    }

    const Rules rules_;
    const std::shared_ptr<Seen> seen_;
    Side forth_{"> "};
    Side back_{"< "};
    bool waits_ = false;
    bool is_done_ = false;
    bool survived_ = false;
};

} // namespace tunnel::test
