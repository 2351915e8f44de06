// Long bodies of requests and answers: one blocking thread for each visitor.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/cases.hpp"
#include "tests/bench/connection.hpp"
#include "tests/bench/protocol.hpp"

namespace bench {
namespace {

constexpr std::chrono::seconds patience{10};
constexpr std::size_t piece_size = 128 * 1024;

// One visitor, whose connection stays.
class BodyVisit {
public:
    explicit BodyVisit(const sockaddr_in& target)
        : connection_(connect_blocking(target, patience)), piece_(piece_size, 'x')
    {
    }

    bool is_open() const { return connection_.is_open(); }

    // Empty, or what went wrong.
    std::string upload(std::uint64_t size)
    {
        if (!connection_.send_all(upload_head(size)))
            return "send: " + last_error();
        for (std::uint64_t left = size; left > 0;) {
            const std::size_t now = std::min<std::uint64_t>(left, piece_size);
            if (!connection_.send_all({piece_.data(), now}))
                return "send: " + last_error();
            left -= now;
        }
        return receive_answer(short_body.size());
    }

    std::string download(std::uint64_t size)
    {
        if (!connection_.send_all(download_head(size)))
            return "send: " + last_error();
        return receive_answer(size);
    }

private:
    std::string receive_answer(std::uint64_t left)
    {
        std::string head;
        while (head.find(end_of_head) == std::string::npos) {
            if (const std::string error = receive(); !error.empty())
                return error;
            head.append(piece_.data(), received_);
        }
        if (!head.starts_with("HTTP/1.1 200 "))
            return head.substr(0, head.find('\r'));
        const std::uint64_t with_head = head.size() - head.find(end_of_head) - end_of_head.size();
        if (with_head > left)
            return "more than the answer";
        for (left -= with_head; left > 0; left -= received_) {
            if (const std::string error = receive(); !error.empty())
                return error;
            if (received_ > left)
                return "more than the answer";
        }
        return "";
    }

    std::string receive()
    {
        const ssize_t received = connection_.receive(piece_);
        if (received <= 0)
            return received == 0 ? "closed in the middle" : last_error();
        received_ = static_cast<std::size_t>(received);
        return "";
    }

    Connection connection_;
    std::vector<char> piece_;
    std::size_t received_ = 0;
};

} // namespace

nlohmann::json run_bodies(const Load& load)
{
    Errors errors;
    std::atomic<std::uint64_t> bytes = 0;
    const auto started = Clock::now();
    const auto visit = [&] {
        BodyVisit visitor(load.target);
        if (!visitor.is_open())
            return errors.add("connect: " + last_error());
        while (Clock::now() < started + load.duration) {
            const std::string error =
                load.up ? visitor.upload(long_body) : visitor.download(long_body);
            if (!error.empty())
                return errors.add(error);
            bytes += long_body;
        }
    };
    std::vector<std::thread> visitors;
    for (std::uint64_t i = 0; i < load.visitors; ++i)
        visitors.emplace_back(visit);
    for (std::thread& visitor : visitors)
        visitor.join();
    const double elapsed = seconds(Clock::now() - started);
    nlohmann::json result;
    result["bytes"] = bytes.load();
    result["seconds"] = elapsed;
    result["gb_per_second"] = static_cast<double>(bytes) / elapsed / 1e9;
    result["errors"] = errors.json();
    return result;
}

} // namespace bench
