// One end of a control connection that runs in a test.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/task_group.hpp"
#include "common/protocol/control_connection.hpp"

namespace tunnel::test {

// Neither sent nor missed during a test, except for the one at the start.
inline constexpr ControlConnection::Heartbeats quiet{std::chrono::minutes(1),
                                                     std::chrono::minutes(1)};

// One end that is ours, with what came and how it ended.
class End {
public:
    End(asio::io_context& io, tcp::socket socket, ControlConnection::Heartbeats heartbeats)
        : connection(std::move(socket), heartbeats), tasks(io.get_executor())
    {
        tasks.spawn("end", watch());
    }

    ControlConnection connection;
    std::vector<Frame> frames; // without heartbeats
    bool ended = false;
    std::error_code error;
    std::string what;
    TaskGroup tasks;

private:
    awaitable<void> watch()
    {
        try {
            std::function<void(Frame&)> on_frame = [this](Frame& frame) {
                if (!std::holds_alternative<Heartbeat>(frame))
                    frames.push_back(frame);
            };
            co_await connection.run(std::move(on_frame));
        } catch (const std::system_error& failure) {
            ended = true;
            error = failure.code();
            what = failure.what();
        }
    }
};

} // namespace tunnel::test
