// Answers visitors at the HTTP address of the remote proxy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/base/task_group.hpp"
#include "common/http/request_reader.hpp"
#include "common/transport/fair_pool.hpp"
#include "remote-proxy/fronts/acme_webroot.hpp"
#include "remote-proxy/fronts/http_answer.hpp"
#include "remote-proxy/fronts/http_counts.hpp"
#include "remote-proxy/fronts/http_visitor.hpp"

namespace tunnel {

// What visitors could otherwise exceed.
struct HttpLimits {
    std::size_t connections = 256;
    int requests = 100;                              // of one connection
    Clock::duration head = std::chrono::seconds(10); // for the whole of it; also for each answer
    Clock::duration idle = std::chrono::seconds(15); // between two requests
    Clock::duration farewell = std::chrono::seconds(1);
};

// One coroutine for each connection. When there are too many, the address that has the most loses
// the one that was answered longest ago or never, so whoever opens many pushes out only his own. On
// the thread of the io_context.
class HttpVisitors {
public:
    // Owned by others; all must outlive this. `tasks` must be run dry before this is destroyed.
    struct Uses {
        asio::io_context& io;
        TaskGroup& tasks;
        AcmeWebroot* webroot; // null: ACME challenges are paths like others
    };

    struct Hooks {
        FindHost find;
        // A bad request, a timeout, a connection that lost its place, a challenge that cannot be
        // read. Strangers cause as many as they like.
        std::function<void(std::string_view peer, std::string_view why)> on_bad;
    };

    // `https_port`: where visitors reach https, and opaque names.
    HttpVisitors(Uses uses, Hooks hooks, std::uint16_t https_port, const HttpLimits& limits);

    HttpVisitors(const HttpVisitors&) = delete;
    HttpVisitors& operator=(const HttpVisitors&) = delete;

    // Takes a connected, non-blocking socket, and answers what comes from it.
    void serve(Fd socket, const tcp::endpoint& peer);

    // Connections that are open.
    std::size_t size() const { return pool_.size(); }

    const HttpCounts& counts() const { return counts_; }

private:
    struct Place;
    using Progress = RequestReader::Progress;

    awaitable<void> converse(std::unique_ptr<Place> place);
    awaitable<bool> exchange(Place& place, RequestReader& reader, int count);
    awaitable<std::optional<HttpAnswer>> next_answer(HttpVisitor& visitor, RequestReader& reader,
                                                     int count);
    awaitable<char> read_head(HttpVisitor& visitor, RequestReader& reader, int count);
    void make_room();
    void note(const HttpVisitor& visitor, const HttpAnswer& answer);

    asio::io_context& io_;
    TaskGroup& tasks_;
    AcmeWebroot* const webroot_;
    const Hooks hooks_;
    const HttpRules rules_;
    const HttpLimits limits_;
    FairPool<Place> pool_;
    HttpCounts counts_;
    std::array<char, 8 * 1024> buffer_; // of whoever reads at the moment
};

} // namespace tunnel
