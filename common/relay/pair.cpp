#include "common/relay/pair.hpp"

#include <utility>

#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

Framing framing_of(const PairOptions& options, Framing framing, bool FramedStream::*is_raw)
{
    return options.framed && !(*options.framed.*is_raw) ? framing : Framing::none;
}

} // namespace

Pair::Pair(Channel one, Channel other, Relay::Done when_done, PairOptions options)
    : first(std::move(one)),
      second(std::move(other)),
      forth(framing_of(options, Framing::adds, &FramedStream::sends_raw)),
      back(framing_of(options, Framing::takes_off, &FramedStream::receives_raw)),
      done(std::move(when_done)),
      group(options.group),
      view(options.view),
      filter(std::move(options.filter)),
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
    if (options.framed) {
        const FramedStream& framed = *options.framed;
        if (!framed.unsent.empty())
            forth.send_first(framed.unsent);
        if (framed.unsent_may_wait)
            forth.wait_for_piece();
        if (framed.awaits_start)
            forth.await_start();
    }
    begin();
}

void Pair::begin()
{
    if (!filter || has_begun || (forth.awaits_start() && !filter->may_be_early()))
        return;
    has_begun = true;
    if (const std::string_view bytes = filter->beginning(); !bytes.empty())
        forth.begin_with(bytes);
}

bool Pair::outlives(End how) const
{
    switch (how) {
    case End::second_failed:
        return filter && filter->survives(how);
    case End::half_close_timeout:
    case End::idle_timeout: // also that of the first, which does not take what is meant for it
        return filter && back.is_flushed() && filter->survives(how);
    default:
        return false;
    }
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
    if (how == End::handed_back)
        hand_back(flow);
    if (how == End::not_opened || (how == End::first_failed && forth.has_sent_nothing()))
        flow.second = std::move(second);
    // Before the start a plain end tells the peer enough, and a reset could still destroy the tail
    // of the stream that the connection carried before. Later a reset tells it at once.
    if (!has_started()) {
        if (how == End::not_started || how == End::refused || (how == End::start_timeout && filter))
            flow.first = std::move(first);
    } else if (how != End::finished && was_framed && second.is_open()) {
        reset_on_close(second.descriptor());
    }
    if (how == End::not_opened)
        flow.opener = std::move(opener);
    flow.filter = std::move(filter);
    // What else is not finished is prepared to reset.
    first.close();
    second.close();
    return flow;
}

// A stream that its peer has ended ends on both ways now, and the connection is good for another.
void Pair::hand_back(Flow& flow)
{
    flow.first = std::move(first);
    flow.sends_raw = !forth.in_frames();
    flow.receives_raw = !back.in_frames();
    flow.sent_end = forth.ended_in_frame();
    if (back.saw_frame_end() && flow.sent_end) {
        flow.second_has_ended = true;
    } else if (back.saw_frame_end() && !flow.sends_raw && forth.is_flushed()) {
        const auto end = frame_header(StreamFrame::end, 0);
        flow.second_has_ended =
            !second.send_at_once({reinterpret_cast<const char*>(end.data()), end.size()});
    }
    if (flow.second_has_ended || (filter->keeps_second() && !back.saw_frame_end() &&
                                  forth.is_flushed() && back.is_between_frames()))
        flow.second = std::move(second);
}

} // namespace tunnel
