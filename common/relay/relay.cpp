#include "common/relay/relay.hpp"

#include "common/relay/worker.hpp"

namespace tunnel {

Relay::Relay(const RelayOptions& options)
{
    for (unsigned i = 0; i < options.threads; ++i)
        workers_.push_back(std::make_unique<Worker>(options, live_));
}

Relay::~Relay()
{
    stop();
}

void Relay::hand_over(Fd first, Fd second, Done done)
{
    ++live_;
    workers_[next_++ % workers_.size()]->hand_over(std::move(first), std::move(second),
                                                   std::move(done));
}

void Relay::stop()
{
    for (const auto& worker : workers_)
        worker->stop();
}

} // namespace tunnel
