#include "remote-proxy/visitors/http_streams.hpp"

#include <utility>

namespace tunnel {

HttpStreams::HttpStreams(Uses uses)
    : uses_(uses), pool_(uses.watch, [this](const Carrier& carrier, Channel channel) {
          OriginLink* const link = uses_.links.find(carrier.link);
          if (link != nullptr && link->parking)
              link->parked.put(std::move(channel));
      })
{
}

std::optional<HttpStream> HttpStreams::take(const PublicService& service, const OriginLink& link,
                                            const Visitor& visitor)
{
    if (!visitor.exchange)
        return std::nullopt;
    const HttpVisit& visit = visitor.exchange->visit();
    if (!visit.shares_streams || visit.is_retry)
        return std::nullopt;
    return pool_.take(service.number, link.number);
}

void HttpStreams::keep(const Visitor& visitor, Flow& flow)
{
    OriginLink* const link = uses_.links.find(visitor.announced_on());
    if (!flow.second.is_open() || link == nullptr || uses_.state.stopped)
        return;
    if (flow.second_has_ended) {
        if (link->parking)
            link->parked.put(std::move(flow.second));
        return;
    }
    const ServicePointer service = visitor.service();
    const bool goes_on = visitor.exchange->stream() == HttpExchange::Stream::more && service &&
                         !service->retired && service->server(link) != nullptr && !link->drained &&
                         Clock::now() - visitor.exchange->stream_born() < StreamPool::longest_life;
    HttpStream stream{std::move(flow.second), flow.sends_raw, flow.receives_raw,
                      visitor.attempt->carrier(), visitor.exchange->stream_born()};
    if (goes_on)
        pool_.put(service->number, std::move(stream), uses_.capacity.http_streams());
    else
        pool_.end(std::move(stream), flow.sent_end, uses_.capacity.http_streams());
    if (const auto next = pool_.next_deadline())
        uses_.alarm.ring_by(*next);
}

} // namespace tunnel
