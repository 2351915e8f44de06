#include "common/relay/pair.hpp"

#include <utility>

#include "common/transport/socket.hpp"

namespace tunnel {

Pair::Pair(Channel one, Channel other, Relay::Done when_done, PairOptions options)
    : first(std::move(one)),
      second(std::move(other)),
      forth(options.framed ? Framing::adds : Framing::none),
      back(options.framed ? Framing::takes_off : Framing::none),
      done(std::move(when_done)),
      group(options.group),
      view(options.view),
      opener(std::move(options.opener)),
      guard(options.guard),
      was_framed(options.framed),
      first_is_unix(options.first_is_unix),
      lacks_keep_alive(options.lacks_keep_alive)
{
    forth.limit(std::move(options.limits.first_to_second));
    back.limit(std::move(options.limits.second_to_first));
    if (first.is_encrypted() && first.tls().has_pending())
        forth.can_read();
    if (second.is_encrypted() && second.tls().has_pending())
        back.can_read();
    if (!options.framed)
        return;
    const FramedStream& framed = *options.framed;
    if (!framed.unsent.empty())
        forth.send_first(framed.unsent);
    if (framed.unsent_may_wait)
        forth.wait_for_piece();
    if (framed.awaits_start)
        forth.await_start();
}

Flow Pair::close(End how)
{
    show();
    Flow flow{forth.bytes(), back.bytes(), how, Clock::now() - began};
    if (how == End::finished) {
        allow_clean_close(first.descriptor());
        if (second_is_reusable())
            flow.second = std::move(second);
        else
            allow_clean_close(second.descriptor());
    } else if (how == End::refused) {
        flow.refusal = back.take_refusal();
    }
    if (how == End::not_opened || (how == End::first_failed && forth.has_sent_nothing()))
        flow.second = std::move(second);
    // Before the start a plain end tells the peer enough, and a reset could still destroy the tail
    // of the stream that the connection carried before. Later a reset tells it at once.
    if (!has_started()) {
        if (how == End::not_started || how == End::refused)
            flow.first = std::move(first);
    } else if (how != End::finished && was_framed && second.is_open()) {
        reset_on_close(second.descriptor());
    }
    if (how == End::not_opened)
        flow.opener = std::move(opener);
    // What else is not finished is prepared to reset.
    first.close();
    second.close();
    return flow;
}

} // namespace tunnel
