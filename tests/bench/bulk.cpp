// One blocking thread per stream.
#include <atomic>
#include <barrier>
#include <cerrno>
#include <cstddef>
#include <thread>
#include <vector>

#include "tests/bench/cases.hpp"
#include "tests/bench/connection.hpp"
#include "tests/bench/protocol.hpp"
#include "tests/bench/socket.hpp"
#include "tests/bench/stream.hpp"

namespace bench {
namespace {

constexpr std::chrono::seconds patience{10};

std::string why_it_ended()
{
    return errno == 0 ? "closed in the middle" : last_error();
}

class Bulk {
public:
    explicit Bulk(const Load& load)
        : load_(load),
          way_(way_to_raw(load.protocol)),
          tls_(load.protocol == Protocol::https ? client_tls() : nullptr),
          ready_(static_cast<std::ptrdiff_t>(load.visitors) + 1),
          start_(static_cast<std::ptrdiff_t>(load.visitors) + 1)
    {
    }

    nlohmann::json run()
    {
        std::vector<std::thread> streams;
        for (std::uint64_t i = 0; i < load_.visitors; ++i)
            streams.emplace_back([this] { stream(); });
        ready_.arrive_and_wait();
        const auto started = Clock::now();
        end_ = started + load_.duration;
        start_.arrive_and_wait();
        for (auto& stream : streams)
            stream.join();
        const double elapsed = seconds(Clock::now() - started);
        nlohmann::json result;
        result["bytes"] = bytes_.load();
        result["seconds"] = elapsed;
        result["gb_per_second"] = static_cast<double>(bytes_) / elapsed / 1e9;
        result["errors"] = errors_.json();
        return result;
    }

private:
    void stream()
    {
        Connection connection(connect_blocking(load_.target, patience));
        const bool open = connection.is_open() && ask(connection);
        if (!open)
            errors_.add("open: " + why_it_ended());
        ready_.arrive_and_wait(); // also without a connection: the others wait for all
        start_.arrive_and_wait();
        if (!open)
            return;
        if (load_.up ? !send(connection) : !receive(connection))
            errors_.add(why_it_ended());
    }

    // For the service; answers whether it is ready.
    bool ask(Connection& connection) const
    {
        if (tls_ && !connection.become_client(*tls_))
            return false;
        if (!connection.send_all(way_.request))
            return false;
        for (std::string answer; !answer.ends_with(way_.answer_end);) {
            char byte = 0; // no more than one: what follows is the service's
            if (!connection.receive_all({&byte, 1}))
                return false;
            answer += byte;
        }
        const char service = static_cast<char>(load_.up ? Service::sink : Service::source);
        char ready = 0;
        return connection.send_all({&service, 1}) && connection.receive_all({&ready, 1}) &&
               ready == service;
    }

    // What counts is what arrived, by the time that the server says so.
    bool send(Connection& connection)
    {
        std::uint64_t arrived = 0;
        if (!write_blocks(connection, [this] { return is_over(); }) ||
            !connection.receive_all({reinterpret_cast<char*>(&arrived), sizeof arrived}))
            return false;
        bytes_ += arrived;
        return true;
    }

    bool receive(Connection& connection)
    {
        const char go = 'g';
        std::uint64_t bytes = 0;
        bool stopped = false;
        const auto stop_in_time = [&] {
            if (stopped || !is_over())
                return;
            const char stop = 's';
            stopped = connection.send_all({&stop, 1});
        };
        const bool complete =
            connection.send_all({&go, 1}) && read_blocks(connection, bytes, stop_in_time);
        bytes_ += bytes;
        return complete;
    }

    bool is_over() const { return Clock::now() >= end_; }

    const Load& load_;
    Exchange way_;
    TlsContext tls_; // null without TLS; outlives the streams
    Errors errors_;
    std::barrier<> ready_;
    std::barrier<> start_;
    Clock::time_point end_{}; // set between the two barriers
    std::atomic<std::uint64_t> bytes_{0};
};

} // namespace

nlohmann::json run_bulk(const Load& load)
{
    return Bulk(load).run();
}

} // namespace bench
