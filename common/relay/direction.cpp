#include "common/relay/direction.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>

#include "common/relay/beginning.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// What may be sent before the other side has taken the stream on: a request, not an upload.
constexpr std::size_t most_ahead = 16 * 1024;

// More than any pipe takes at once.
constexpr std::size_t splice_size = 1024 * 1024;

// Pieces below this cost less when they are copied; after a few of them in a row copying goes on.
constexpr std::size_t small_piece = 16 * 1024;
constexpr std::uint8_t most_small_pieces = 4;

// What a filter is shown at once, where what it makes of it has to fit a frame, also with a head
// that it has held back.
constexpr std::size_t filtered_piece = 20 * 1024;

// A frame takes as long as so many bytes more of a large one.
constexpr std::uint64_t bytes_for_frame = 64;

std::string_view as_text(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

Progress Direction::pump(Channel& from, Channel& to, const Means& means, std::size_t budget)
{
    const std::uint64_t before = work_;
    std::size_t moved = 0;
    bool began = false;
    while (!finished_) {
        const bool is_guarded = means.guard != nullptr && *means.guard != nullptr;
        const bool is_filtered = static_cast<bool>(means.filter);
        // Under a guard or a limit it is not known what may go with it, and when; a filter gives
        // what goes with it.
        if (is_guarded || allowance_ || is_filtered)
            announces_ = false;
        if (!waits_for_piece_ && !announces_) {
            if (const Progress flushed = flush(to); flushed != Progress::more)
                return flushed;
        }
        if (saw_end_)
            return pass_end(to, means);
        if (is_filtered && (awaits_start_ || means.filter.is_done())) {
            pipe_.reset();
            return Progress::waiting;
        }
        if (is_filtered && !means.filter.wants_bytes()) {
            if (const Progress looked = await_end(from, means); looked != Progress::more)
                return looked;
            continue;
        }
        if (is_guarded) {
            if (const Progress passed = pass_guard(from, *means.guard); passed != Progress::more)
                return passed;
        }
        if (awaits_start_)
            return peek(from, to, means);
        if (ahead_ > 0) {
            if (const Progress taken = take_ahead(from, means.buffer); taken != Progress::more)
                return taken;
            if (ahead_ > 0)
                return Progress::more;
        }
        if (!has_something(from)) {
            pipe_.reset(); // a quiet direction keeps none
            return Progress::waiting;
        }
        if (work_ - before >= budget || (began && Bandwidth::Clock::now() >= means.until))
            return Progress::more;
        began = true;
        const Progress progress = move_piece(from, to, means, moved);
        if (progress != Progress::more || allowance_) // one turn, and then the others have theirs
            return progress;
    }
    return Progress::finished;
}

// One piece, as large as the limits allow.
Progress Direction::move_piece(Channel& from, Channel& to, const Means& means, std::size_t& moved)
{
    // That the stream is taken on is no byte of it, and whoever waits for it has a limit of time.
    const bool is_start = allowance_ && framer_.takes_off() && !heard_start();
    std::size_t most = splice_size;
    if (is_start)
        most = frame_header_size;
    else if (allowance_)
        most = allowance_->bytes(means.now);
    if (most == 0) {
        pipe_.reset(); // others may need it meanwhile
        return Progress::throttled;
    }
    const bool is_filtered = static_cast<bool>(means.filter);
    const std::uint64_t passes = is_filtered ? means.filter.unseen() : 0;
    const bool is_shown = is_filtered && (passes < plain_piece || framer_.takes_off());
    if (is_filtered && !is_shown)
        most = static_cast<std::size_t>(std::min<std::uint64_t>(most, passes));
    const bool copies = std::exchange(must_ask_recv_, false) || from.has_read_ahead() || is_shown;
    if (copies)
        pipe_.reset();
    else if (splicing_ && !pipe_)
        pipe_ = means.pipes.take();
    const std::size_t before = moved;
    const Progress progress = is_shown ? filter_piece(from, to, means, most, moved)
                              : pipe_  ? splice(from.descriptor(), most, moved)
                                       : copy(from, to, means, most, moved);
    if (is_filtered && !is_shown)
        means.filter.passed(moved - before);
    if (allowance_ && !is_start)
        allowance_->use(moved - before);
    return progress;
}

// What the filter makes of the next piece goes on instead of it.
Progress Direction::filter_piece(Channel& from, Channel& to, const Means& means, std::size_t most,
                                 std::size_t& moved)
{
    const std::size_t largest = framer_.adds() ? filtered_piece : largest_piece(from, to);
    const auto room = means.buffer.first(std::min({most, largest, means.buffer.size()}));
    saw_more_ = false;
    std::size_t size = 0;
    if (const Progress received = receive(from, room, means, size);
        received != Progress::more || size == 0)
        return received;
    moved += size;
    comes_in_bulk_ = size >= small_piece;
    std::span<const std::byte> payload = room.first(size);
    bool ended = false;
    if (framer_.takes_off()) {
        if (const Progress taken = take_frames_off(from, room.first(size), payload);
            taken != Progress::more)
            return taken;
        ended = saw_end_;
        saw_end_ = false; // what came before it is shown first
    }
    if (const Progress shown = show(from, to, payload, means); shown != Progress::more)
        return shown;
    return ended ? note_end(means) : Progress::more;
}

Progress Direction::show(Channel& from, Channel& to, std::span<const std::byte> bytes,
                         const Means& means)
{
    const std::size_t header = framer_.adds() ? frame_header_size : 0;
    const FilterUse::Shown shown = means.filter.show(bytes, header);
    from.unread(shown.left);
    const auto sent = means.filter.room();
    if (sent.size() > header) {
        if (header > 0)
            add_header(sent, sent.size() - header, false);
        if (const Progress written = write_or_hold(to, sent); written != Progress::more)
            return written;
    }
    return shown.is_broken ? Progress::from_failed : Progress::more;
}

// While the filter wants no more bytes, the stream may still end.
Progress Direction::await_end(Channel& from, const Means& means)
{
    pipe_.reset();
    if (!readable_ || saw_more_ || from.has_read_ahead())
        return Progress::waiting;
    std::byte next{};
    const ssize_t size = from.peek(std::span(&next, 1));
    if (size == 0)
        return note_end(means);
    if (size > 0) {
        saw_more_ = true;
        return Progress::waiting;
    }
    if (errno != EAGAIN && errno != EINTR)
        return Progress::from_failed;
    readable_ = false;
    return Progress::waiting;
}

// The sender has no more.
Progress Direction::note_end(const Means& means)
{
    if (means.filter) {
        switch (means.filter.ended()) {
        case Filter::AtEnd::pass_on:
            break;
        case Filter::AtEnd::hand_back:
            return Progress::waiting;
        case Filter::AtEnd::broken:
            return Progress::from_failed;
        }
    }
    saw_end_ = true;
    waits_for_piece_ = false;
    if (framer_.adds())
        send_first(as_text(frame_header(StreamFrame::end, 0)));
    return Progress::more;
}

void Direction::limit(Bandwidths limits)
{
    if (!limits.empty())
        allowance_ = std::make_unique<Allowance>(std::move(limits));
}

Progress Direction::pass_end(Channel& to, const Means& means)
{
    pipe_.reset();
    // Closing a TCP connection is an end of its stream. One of TLS has to be told by itself.
    const bool told = framer_.adds() || (means.closes_next && !to.is_encrypted());
    if (!told && to.end() != 0) {
        if (errno != EAGAIN)
            return Progress::to_failed;
        writable_ = false;
        return Progress::waiting;
    }
    finished_ = true;
    return Progress::finished;
}

// What was read before goes first.
Progress Direction::flush(Channel& to)
{
    if (!held_.empty())
        return writable_ ? flush_held(to) : Progress::waiting;
    if (pipe_ && pipe_->held > 0)
        return writable_ ? flush_pipe(to.descriptor()) : Progress::waiting;
    return Progress::more;
}

Progress Direction::copy(Channel& from, Channel& to, const Means& means, std::size_t most,
                         std::size_t& moved)
{
    std::span<std::byte> buffer = means.buffer;
    const bool adds = framer_.adds();
    const bool plain = !from.is_encrypted() && !to.is_encrypted();
    buffer = buffer.first(std::min(buffer.size(), largest_piece(from, to)));
    const std::size_t waiting = waits_for_piece_ ? held_.left().size() : 0; // goes before it
    auto room = buffer.subspan(waiting);
    if (adds)
        room = room.first(std::min(largest_frame, room.size())).subspan(frame_header_size);
    const bool fills_buffer = most >= room.size(); // if the piece is as large as it may be
    room = room.first(std::min(most, room.size()));
    std::size_t size = 0;
    if (const Progress received = receive(from, room, means, size);
        received != Progress::more || size == 0)
        return received;
    moved += size;
    comes_in_bulk_ = size >= small_piece;
    if (size == room.size() && fills_buffer && !framer_.takes_off() && plain)
        splicing_ = true;
    std::span<const std::byte> rest = room.first(size);
    if (adds) {
        // A piece that fills the buffer is the first of many, and they are not framed any more. So
        // from here on the connection's end is the stream's, and one that is cut must be a reset.
        if (splicing_)
            reset_on_close(to.descriptor());
        add_header(buffer.subspan(waiting), size, splicing_);
        rest = buffer.first(waiting + frame_header_size + size);
    } else if (framer_.takes_off()) {
        if (const Progress taken = take_frames_off(from, room.first(size), rest);
            taken != Progress::more)
            return taken;
    }
    if (waiting > 0) {
        std::ranges::copy(held_.left(), buffer.begin());
        held_ = HeldBytes();
        waits_for_piece_ = false;
    }
    return write_or_hold(to, rest);
}

// Of small pieces nobody asks the kernel: the question is a system call.
std::size_t Direction::largest_piece(const Channel& from, const Channel& to) const
{
    if (!from.is_encrypted() && !to.is_encrypted())
        return plain_piece;
    if (!comes_in_bulk_)
        return first_encrypted_piece;
    const std::size_t room = room_in(to.descriptor());
    return std::clamp(room - room / 8, least_encrypted_piece, encrypted_piece);
}

// One piece; `size` stays 0 if there is none for now, or no more at all.
Progress Direction::receive(Channel& from, std::span<std::byte> room, const Means& means,
                            std::size_t& size)
{
    const bool is_ahead = from.has_read_ahead();
    const bool decrypts = from.is_encrypted() && !is_ahead;
    const std::uint64_t before = decrypts ? from.tls().work() : 0;
    const ssize_t result = read(from, room);
    if (decrypts)
        work_ += from.tls().work() - before;
    else if (result > 0)
        work_ += static_cast<std::uint64_t>(result);
    if (result < 0)
        return failed_to_read();
    size = static_cast<std::size_t>(result);
    if (size == 0) {
        if (framer_.takes_off()) // without a frame that says so it is no end
            return Progress::from_failed;
        return note_end(means);
    }
    if (!is_ahead && !short_read_says_nothing_ &&
        (decrypts ? from.tls().drained() : size < room.size())) {
        readable_ = false; // all there was, epoll(7): another recv would say EAGAIN
    }
    return Progress::more;
}

// With a signal pending recv(2) says EAGAIN at a mark of urgent data, whatever lies behind it; the
// signal is dealt with before the second call.
ssize_t Direction::read(Channel& from, std::span<std::byte> room) const
{
    const ssize_t result = from.receive(room);
    const bool doubtful = result < 0 && errno == EAGAIN && saw_urgent_data_;
    return doubtful && from.hides_more_than(0) ? from.receive(room) : result;
}

void Direction::add_header(std::span<std::byte> buffer, std::size_t size, bool raw)
{
    framer_.add_header(buffer.first<frame_header_size>(), size, raw);
    overhead_ += frame_header_size;
}

// Leaves in `payload` what is the stream's.
Progress Direction::take_frames_off(Channel& from, std::span<std::byte> bytes,
                                    std::span<const std::byte>& payload)
{
    const StreamFramer::Taken taken = framer_.take_off(bytes);
    work_ += taken.headers * bytes_for_frame;
    payload = taken.payload;
    switch (taken.outcome) {
    case StreamFramer::Outcome::more:
        return Progress::more;
    case StreamFramer::Outcome::ended:
        saw_end_ = true;
        from.unread(taken.rest);
        return Progress::more;
    case StreamFramer::Outcome::refused:
        return Progress::refused;
    case StreamFramer::Outcome::malformed:
        return Progress::from_failed;
    }
    return Progress::from_failed;
}

// What is looked at stays in the socket, which becomes readable anew by what follows.
Progress Direction::pass_guard(Channel& from, Guard& guard)
{
    if (!has_something(from))
        return Progress::waiting;
    const auto beginning = look_at_beginning(from, guard);
    if (!beginning)
        return Progress::from_failed;
    if (*beginning == Beginning::forbidden)
        return Progress::forbidden;
    if (*beginning == Beginning::undecided) {
        readable_ = false;
        return Progress::waiting;
    }
    guard = nullptr;
    return Progress::more;
}

Progress Direction::peek(Channel& from, Channel& to, const Means& means)
{
    if (!has_something(from) || ahead_ > 0)
        return Progress::waiting;
    const std::size_t most = allowance_ ? allowance_->bytes(means.now) : most_ahead;
    if (most == 0)
        return Progress::throttled;
    const std::size_t announced = announces_ ? held_.left().size() : 0;
    const auto frame = means.buffer.subspan(announced);
    const ssize_t size = from.peek(frame.subspan(frame_header_size, std::min(most, most_ahead)));
    if (allowance_)
        allowance_->use(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    readable_ = false;
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        return Progress::from_failed;
    announces_ = false;
    if (size <= 0) { // an end can wait
        const Progress flushed = flush(to);
        return flushed == Progress::more ? Progress::waiting : flushed;
    }
    ahead_ = static_cast<std::uint32_t>(size);
    add_header(frame, ahead_, false);
    if (announced > 0) {
        std::ranges::copy(held_.left(), means.buffer.begin());
        held_ = HeldBytes();
    }
    const Progress written =
        write_or_hold(to, means.buffer.first(announced + frame_header_size + ahead_));
    return written == Progress::to_failed ? written : Progress::waiting;
}

void Direction::await_start()
{
    awaits_start_ = true;
    announces_ = !held_.empty() && held_.size() <= most_ahead;
    readable_ = true; // asked at once: what is there goes with the announcement
}

void Direction::start()
{
    awaits_start_ = false;
    readable_ = true;
}

// Must not leave any of them, which would be sent twice. What came after them is read as well:
// that as a rule there is nothing more costs no system call of its own then.
Progress Direction::take_ahead(Channel& from, std::span<std::byte> buffer)
{
    const bool was_decrypted = from.has_read_ahead();
    const auto room = buffer.first(was_decrypted || allowance_ ? ahead_ : plain_piece);
    const ssize_t result = from.receive(room);
    if (result == 0 ||
        (result < 0 && errno != EAGAIN && errno != EINTR)) // they are there: see read()
        return Progress::from_failed;
    const auto size = static_cast<std::size_t>(std::max<ssize_t>(result, 0));
    const std::size_t again = std::min<std::size_t>(size, ahead_);
    ahead_ -= static_cast<std::uint32_t>(again);
    from.unread(room.subspan(again, size - again));
    if (size > 0 && size < room.size() && !was_decrypted && !short_read_says_nothing_)
        readable_ = false;
    return Progress::more;
}

void Direction::begin_with(std::string_view bytes)
{
    if (framer_.adds()) {
        std::array<std::byte, frame_header_size> header{};
        add_header(header, bytes.size(), false);
        held_.add(header);
    }
    held_.add(std::as_bytes(std::span(bytes)));
}

void Direction::send_first(std::string_view bytes)
{
    overhead_ += bytes.size();
    held_.add(std::as_bytes(std::span(bytes)));
}

// Into the pipe, which is empty: EAGAIN never means that the pipe is full. But where recv(2) goes
// on at a mark of urgent data, splice(2) does not: there it answers EAGAIN, and once the sender has
// ended its stream 0, whatever lies behind the mark. So an end is one only if recv() says so, and
// so is an empty socket once there was urgent data; before, EPOLLPRI is still to come.
Progress Direction::splice(int from, std::size_t most, std::size_t& moved)
{
    const ssize_t size = ::splice(from, nullptr, pipe_->in.get(), nullptr,
                                  std::min(most, splice_size), SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (size < 0 && errno == EINVAL) { // not a socket that can be spliced
        splicing_ = false;
        pipe_.reset();
        return Progress::more;
    }
    if (size == 0 || (errno == EAGAIN && size < 0 && saw_urgent_data_)) {
        must_ask_recv_ = true;
        return Progress::more;
    }
    if (size < 0)
        return failed_to_read(); // recv() would not say it once more
    pipe_->held = static_cast<std::size_t>(size);
    moved += pipe_->held;
    work_ += pipe_->held;
    small_pieces_ = pipe_->held < small_piece ? small_pieces_ + 1 : 0;
    if (small_pieces_ == most_small_pieces) {
        small_pieces_ = 0;
        splicing_ = false; // the pipe is given back once it is empty
    }
    return Progress::more;
}

Progress Direction::failed_to_read()
{
    if (errno == EINTR)
        return Progress::more;
    if (errno != EAGAIN)
        return Progress::from_failed;
    readable_ = false;
    return Progress::more;
}

// Without SPLICE_F_MORE: on the last piece of an answer it would cost up to 200 ms. MSG_NOSIGNAL
// has no counterpart here, so the process must ignore SIGPIPE.
Progress Direction::flush_pipe(int to)
{
    while (pipe_->held > 0) {
        const ssize_t size = ::splice(pipe_->out.get(), nullptr, to, nullptr, pipe_->held,
                                      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (size < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return Progress::to_failed;
            writable_ = false;
            return Progress::waiting;
        }
        if (size == 0) // never, of a pipe that holds something
            return Progress::to_failed;
        bytes_ += static_cast<std::uint64_t>(size);
        pipe_->held -= static_cast<std::size_t>(size);
    }
    if (!splicing_)
        pipe_.reset();
    return Progress::more;
}

Progress Direction::write(Channel& to, std::span<const std::byte>& bytes)
{
    while (!bytes.empty()) {
        const ssize_t size = to.send(bytes);
        if (size < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return Progress::to_failed;
            writable_ = false;
            return Progress::waiting;
        }
        bytes_ += static_cast<std::uint64_t>(size);
        bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
    return Progress::more;
}

Progress Direction::write_or_hold(Channel& to, std::span<const std::byte> bytes)
{
    if (write(to, bytes) == Progress::to_failed)
        return Progress::to_failed;
    if (!bytes.empty())
        held_.add(bytes);
    return Progress::more;
}

Progress Direction::flush_held(Channel& to)
{
    std::span<const std::byte> rest = held_.left();
    const Progress progress = write(to, rest);
    held_.keep_last(rest.size());
    return progress;
}

} // namespace tunnel
