// Server-sent events: each says when it was sent.
#include <array>
#include <cerrno>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/cases.hpp"
#include "tests/bench/connection.hpp"
#include "tests/bench/protocol.hpp"

namespace bench {
namespace {

constexpr std::chrono::milliseconds warm_up{200};
constexpr std::chrono::seconds patience{5};

class Events {
public:
    Events(const Load& load, Errors& errors) : load_(load), errors_(errors)
    {
        for (std::uint64_t i = 0; i < load.visitors; ++i) {
            Connection visitor(connect_blocking(load.target, patience));
            if (visitor.is_open() && visitor.send_all(events_head()))
                visitors_.push_back({std::move(visitor), {}});
            else
                errors_.add("connect: " + last_error());
        }
        for (const Visitor& visitor : visitors_)
            polled_.push_back({.fd = visitor.connection.fd(), .events = POLLIN, .revents = 0});
    }

    nlohmann::json run()
    {
        begin_ = Clock::now() + warm_up;
        const auto end = begin_ + load_.duration;
        while (Clock::now() < end) {
            ::poll(polled_.data(), polled_.size(), 20);
            for (std::size_t i = 0; i < polled_.size(); ++i)
                if (polled_[i].revents != 0 && !receive(visitors_[i]))
                    polled_[i].fd = -1; // poll() passes it over
        }
        nlohmann::json result;
        result["events"] = delays_.size();
        add_percentiles(result, "event", delays_);
        return result;
    }

private:
    struct Visitor {
        Connection connection;
        std::string text;
    };

    // False: this one hears no more.
    bool receive(Visitor& visitor)
    {
        const ssize_t received = visitor.connection.receive(buffer_);
        const auto now = Clock::now();
        if (received <= 0) {
            errors_.add(received == 0 ? "closed in the middle" : last_error());
            return false;
        }
        visitor.text.append(buffer_.data(), static_cast<std::size_t>(received));
        try {
            while (const auto sent = take_event(visitor.text))
                if (now >= begin_)
                    delays_.push_back(microseconds(now.time_since_epoch() - *sent));
        } catch (const std::runtime_error& error) {
            errors_.add(error.what());
            return false;
        }
        return true;
    }

    const Load& load_;
    Errors& errors_;
    std::vector<Visitor> visitors_;
    std::vector<pollfd> polled_;
    std::vector<double> delays_;
    std::array<char, 64 * 1024> buffer_{};
    Clock::time_point begin_{};
};

} // namespace

nlohmann::json run_events(const Load& load)
{
    Errors errors;
    nlohmann::json result = Events(load, errors).run();
    result["errors"] = errors.json();
    return result;
}

} // namespace bench
