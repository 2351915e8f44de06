#include "common/relay/relay.hpp"

#include <algorithm>

#include "common/relay/worker.hpp"

namespace tunnel {

Relay::Relay(const RelayOptions& options)
{
    for (unsigned i = 0; i < options.workers; ++i) {
        const bool own_thread = i > 0 || !options.lent_thread;
        workers_.push_back(std::make_unique<Worker>(options, live_, i, own_thread));
    }
}

Relay::~Relay()
{
    stop();
}

// To the worker with the fewest pairs, and of those to the first: with few pairs most of them
// sleep, and one is awake already.
void Relay::hand_over(Channel first, Channel second, Done done, PairOptions options)
{
    auto pair = std::make_unique<Pair>(std::move(first), std::move(second), std::move(done),
                                       std::move(options));
    ++live_;
    const auto idlest = std::ranges::min_element(
        workers_, {}, [](const std::unique_ptr<Worker>& worker) { return worker->load(); });
    (*idlest)->hand_over(std::move(pair));
}

void Relay::end_group(std::uint64_t group)
{
    for (const auto& worker : workers_)
        worker->end_group(group);
}

void Relay::end_unwanted()
{
    for (const auto& worker : workers_)
        worker->end_unwanted();
}

bool Relay::poll()
{
    return workers_.front()->poll();
}

bool Relay::may_sleep()
{
    return workers_.front()->may_sleep();
}

void Relay::watch_also(int descriptor, std::function<void()> on_readable)
{
    workers_.front()->watch_also(descriptor, std::move(on_readable));
}

int Relay::descriptor() const
{
    return workers_.front()->descriptor();
}

std::vector<std::size_t> Relay::loads() const
{
    std::vector<std::size_t> all;
    for (const auto& worker : workers_)
        all.push_back(worker->load());
    return all;
}

AllTurns Relay::take_longest_turns()
{
    AllTurns all;
    for (const auto& worker : workers_) {
        if (worker->has_own_thread())
            all.push_back(worker->take_longest_turns());
    }
    return all;
}

bool Relay::threads_turn()
{
    bool all = true;
    for (const auto& worker : workers_) {
        if (worker->has_own_thread() && !worker->turns())
            all = false;
    }
    return all;
}

void Relay::stop()
{
    for (const auto& worker : workers_)
        worker->stop();
}

} // namespace tunnel
