#include "common/relay/pair.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace tunnel {

namespace {

// What may be sent before the other side has taken the stream on: a request, not an upload.
constexpr std::size_t most_ahead = 16 * 1024;

// More than any pipe takes at once.
constexpr std::size_t splice_size = 1024 * 1024;

// Pieces below this cost less when they are copied; after a few of them in a row copying goes on.
constexpr std::size_t small_piece = 16 * 1024;
constexpr std::uint8_t most_small_pieces = 4;

// A frame takes as long as so many bytes more of a large one.
constexpr std::uint64_t bytes_for_frame = 64;

// Nothing will come beside what is there.
bool has_ended(int descriptor)
{
    pollfd poll{descriptor, POLLRDHUP, 0};
    return ::poll(&poll, 1, 0) > 0 && (poll.revents & POLLRDHUP) != 0;
}

int bytes_in(int descriptor)
{
    int bytes = 0;
    ::ioctl(descriptor, FIONREAD, &bytes);
    return bytes;
}

// About how many bytes the socket takes at once; the kernel counts its own overhead in.
std::size_t room_in(int descriptor)
{
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    auto size = static_cast<socklen_t>(sizeof memory);
    if (::getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0)
        return 0;
    const std::uint32_t most = memory[SK_MEMINFO_SNDBUF];
    // A TCP socket counts what waits in the former, a Unix socket in the latter.
    const std::uint32_t used =
        std::max(memory[SK_MEMINFO_WMEM_QUEUED], memory[SK_MEMINFO_WMEM_ALLOC]);
    return most - std::min(most, used);
}

std::string_view as_text(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

Pair::Pair(Fd one, Framed other, Relay::Done when_done)
    : first(std::move(one)),
      second(std::move(other.socket)),
      second_tls(std::move(other.tls)),
      forth(Framing::adds),
      back(Framing::takes_off),
      done(std::move(when_done))
{
    if (!other.unsent.empty())
        forth.send_first(other.unsent);
    if (other.unsent_may_wait)
        forth.wait_for_piece();
    if (other.awaits_start)
        forth.await_start(other.sent_ahead);
    back.receive_first(std::move(other.received));
    if (second_tls && second_tls.has_pending())
        back.can_read();
}

Progress Direction::pump(const Side& from, const Side& to, const Means& means, std::size_t budget)
{
    const std::uint64_t before = work_;
    std::size_t moved = 0;
    bool began = false;
    while (!finished_) {
        if (!waits_for_piece_) {
            if (const Progress flushed = flush(to); flushed != Progress::more)
                return flushed;
        }
        if (saw_end_)
            return pass_end(to, means);
        if (guard_ != nullptr) {
            if (!readable_)
                return Progress::waiting;
            if (const Progress looked = look_at_beginning(from.descriptor);
                looked != Progress::more)
                return looked;
        }
        if (awaits_start_)
            return peek(from, to, means);
        if (ahead_ > 0) {
            if (const Progress taken = take_ahead(from.descriptor); taken != Progress::more)
                return taken;
            if (ahead_ > 0)
                return Progress::more;
        }
        if (!readable_ && !has_received()) {
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
Progress Direction::move_piece(const Side& from, const Side& to, const Means& means,
                               std::size_t& moved)
{
    // That the stream is taken on is no byte of it, and whoever waits for it has a limit of time.
    const bool is_start = allowance_ && framing_ == Framing::takes_off && !heard_start_;
    std::size_t most = splice_size;
    if (is_start)
        most = frame_header_size;
    else if (allowance_)
        most = allowance_->bytes(means.now);
    if (most == 0) {
        pipe_.reset(); // others may need it meanwhile
        return Progress::throttled;
    }
    const bool copies = std::exchange(must_ask_recv_, false) || has_received();
    if (copies)
        pipe_.reset();
    else if (splicing_ && !pipe_)
        pipe_ = means.pipes.take();
    const std::size_t before = moved;
    const Progress progress =
        pipe_ ? splice(from.descriptor, most, moved) : copy(from, to, means.buffer, most, moved);
    if (allowance_ && !is_start)
        allowance_->use(moved - before);
    return progress;
}

void Direction::limit(Bandwidths limits)
{
    if (!limits.empty())
        allowance_ = std::make_unique<Allowance>(std::move(limits));
}

Progress Direction::pass_end(const Side& to, const Means& means)
{
    pipe_.reset();
    // Closing a TCP connection is an end of its stream. One of TLS has to be told by itself.
    const bool told = framing_ == Framing::adds || (means.closes_next && to.tls == nullptr);
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
Progress Direction::flush(const Side& to)
{
    if (held_.bytes)
        return writable_ ? flush_held(to) : Progress::waiting;
    if (pipe_ && pipe_->held > 0)
        return writable_ ? flush_pipe(to.descriptor) : Progress::waiting;
    return Progress::more;
}

Progress Direction::copy(const Side& from, const Side& to, std::span<std::byte> buffer,
                         std::size_t most, std::size_t& moved)
{
    const bool adds = framing_ == Framing::adds;
    const bool plain = from.tls == nullptr && to.tls == nullptr;
    buffer = buffer.first(std::min(buffer.size(), largest_piece(from, to)));
    const std::size_t waiting = waits_for_piece_ ? held_.end : 0; // goes before it
    auto room = buffer.subspan(waiting);
    if (adds)
        room = room.first(std::min(largest_frame, room.size())).subspan(frame_header_size);
    const bool fills_buffer = most >= room.size(); // if the piece is as large as it may be
    room = room.first(std::min(most, room.size()));
    std::size_t size = 0;
    if (const Progress received = receive(from, room, size);
        received != Progress::more || size == 0)
        return received;
    moved += size;
    comes_in_bulk_ = size >= small_piece;
    if (size == room.size() && fills_buffer && framing_ != Framing::takes_off && plain)
        splicing_ = true;
    std::span<const std::byte> rest = room.first(size);
    if (adds) {
        framed(buffer.subspan(waiting), size);
        rest = buffer.first(waiting + frame_header_size + size);
    } else if (framing_ == Framing::takes_off) {
        if (const Progress taken = take_frames_off(room.first(size), rest); taken != Progress::more)
            return taken;
    }
    if (waiting > 0) {
        std::ranges::copy(std::span(held_.bytes.get(), waiting), buffer.begin());
        held_ = Held();
        waits_for_piece_ = false;
    }
    if (write(to, rest) == Progress::to_failed)
        return Progress::to_failed;
    if (!rest.empty())
        hold(rest);
    return Progress::more;
}

// Of small pieces nobody asks the kernel: the question is a system call.
std::size_t Direction::largest_piece(const Side& from, const Side& to) const
{
    if (from.tls == nullptr && to.tls == nullptr)
        return plain_piece;
    if (!comes_in_bulk_)
        return first_encrypted_piece;
    const std::size_t room = room_in(to.descriptor);
    return std::clamp(room - room / 8, least_encrypted_piece, encrypted_piece);
}

// One piece; `size` stays 0 if there is none for now, or no more at all.
Progress Direction::receive(const Side& from, std::span<std::byte> room, std::size_t& size)
{
    if (has_received()) {
        std::string& received = rare_->received;
        size = std::min(received.size(), room.size());
        std::memcpy(room.data(), received.data(), size);
        received.erase(0, size);
        work_ += size;
        if (received.empty() && rare_->refusal.empty())
            rare_.reset();
        return Progress::more;
    }
    const std::uint64_t before = from.tls != nullptr ? from.tls->work() : 0;
    const ssize_t result = read(from, room);
    if (from.tls != nullptr)
        work_ += from.tls->work() - before;
    else if (result > 0)
        work_ += static_cast<std::uint64_t>(result);
    if (result < 0)
        return failed_to_read();
    size = static_cast<std::size_t>(result);
    if (size == 0) {
        if (framing_ == Framing::takes_off) // without a frame that says so it is no end
            return Progress::from_failed;
        saw_end_ = true;
        waits_for_piece_ = false;
        if (framing_ == Framing::adds)
            send_first(as_text(frame_header(StreamFrame::end, 0)));
    } else if (!short_read_says_nothing_ &&
               (from.tls != nullptr ? from.tls->drained() : size < room.size())) {
        readable_ = false; // all there was, epoll(7): another recv would say EAGAIN
    }
    return Progress::more;
}

// recv(2). With a signal pending it says EAGAIN at a mark of urgent data, whatever lies behind it;
// the signal is dealt with before the second call.
ssize_t Direction::read(const Side& from, std::span<std::byte> room) const
{
    const ssize_t result = from.receive(room);
    const bool doubtful = result < 0 && errno == EAGAIN && saw_urgent_data_ && from.tls == nullptr;
    return doubtful && bytes_in(from.descriptor) > 0 ? from.receive(room) : result;
}

// Puts the header before the `size` bytes that stand behind the room for it. A piece that fills the
// buffer is the first of many, and they are not framed any more.
std::span<const std::byte> Direction::framed(std::span<std::byte> buffer, std::size_t size)
{
    const auto header =
        splicing_ ? frame_header(StreamFrame::raw, 0) : frame_header(StreamFrame::data, size);
    if (splicing_)
        framing_ = Framing::none;
    std::ranges::copy(header, buffer.begin());
    overhead_ += header.size();
    return buffer.first(header.size() + size);
}

// Leaves in `payload` what is the stream's, gathered in `bytes`.
Progress Direction::take_frames_off(std::span<std::byte> bytes, std::span<const std::byte>& payload)
{
    std::byte* begin = bytes.data();
    std::byte* out = begin;
    const auto pass = [&](std::size_t size) {
        if (out == begin) // the first may stay where it is, and most often is the only one
            begin = out = bytes.data();
        else
            std::memmove(out, bytes.data(), size);
        out += size;
    };
    while (!bytes.empty() && framing_ == Framing::takes_off && !saw_end_) {
        if (body_left_ > 0) {
            const std::size_t size = std::min<std::size_t>(body_left_, bytes.size());
            const auto kind = static_cast<StreamFrame>(header_[2]);
            if (kind == StreamFrame::data)
                pass(size);
            else if (kind == StreamFrame::refuse)
                rare().refusal.append(reinterpret_cast<const char*>(bytes.data()), size);
            bytes = bytes.subspan(size);
            body_left_ = static_cast<std::uint16_t>(body_left_ - size);
            if (body_left_ == 0 && kind == StreamFrame::refuse)
                return Progress::refused;
            continue;
        }
        header_[header_held_++] = bytes.front();
        bytes = bytes.subspan(1);
        if (header_held_ == frame_header_size) {
            header_held_ = 0;
            work_ += bytes_for_frame;
            if (const Progress begun = begin_frame(); begun != Progress::more)
                return begun;
        }
    }
    if (saw_end_) {
        if (!bytes.empty())
            rare().received.insert(0, reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } else if (framing_ == Framing::none) {
        pass(bytes.size());
    }
    payload = {begin, out};
    return Progress::more;
}

// Its header is complete.
Progress Direction::begin_frame()
{
    const std::size_t size =
        std::to_integer<std::size_t>(header_[0]) << 8 | std::to_integer<std::size_t>(header_[1]);
    if (size < frame_header_size)
        return Progress::from_failed;
    body_left_ = static_cast<std::uint16_t>(size - frame_header_size);
    switch (static_cast<StreamFrame>(header_[2])) {
    case StreamFrame::end:
        saw_end_ = true;
        break;
    case StreamFrame::raw:
        framing_ = Framing::none;
        break;
    case StreamFrame::start:
    case StreamFrame::data:
        break;
    case StreamFrame::refuse:
        return body_left_ == 0 ? Progress::refused : Progress::more;
    default: // of a later version: its body is skipped
        return Progress::more;
    }
    heard_start_ = true;
    return Progress::more;
}

// What is peeked at stays in the socket, which becomes readable anew by what follows. A mark of
// urgent data hides what lies behind it until what lies before it is taken.
Progress Direction::look_at_beginning(int from)
{
    std::array<char, guarded_bytes> first;
    // Each time but for a pending signal (see read()) at least one byte more is seen.
    for (std::size_t looks = 0; looks < 2 * guarded_bytes; ++looks) {
        const std::string_view taken =
            rare_ ? std::string_view(rare_->received).substr(0, guarded_bytes) : "";
        std::ranges::copy(taken, first.begin());
        const std::span<char> room = std::span(first).subspan(taken.size());
        const bool ended = has_ended(from); // asked first: then all that there is can be looked at
        const ssize_t result = ::recv(from, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
        if (result < 0 && errno != EAGAIN && errno != EINTR)
            return Progress::from_failed;
        const std::size_t there = static_cast<std::size_t>(std::max<ssize_t>(result, 0));
        const std::size_t seen = taken.size() + there;
        const Beginning beginning = seen > 0 ? guard_({first.data(), seen}) : Beginning::undecided;
        if (beginning == Beginning::forbidden)
            return Progress::forbidden;
        const bool hidden =
            beginning == Beginning::undecided && static_cast<std::size_t>(bytes_in(from)) > there;
        if (beginning == Beginning::allowed || (ended && !hidden)) {
            guard_ = nullptr;
            return Progress::more;
        }
        if (!hidden)
            readable_ = false;
        if (!hidden || awaits_start_) // only after the start may anything be taken
            return Progress::waiting;
        if (there > 0) {
            const ssize_t size = ::recv(from, room.data(), there, MSG_DONTWAIT);
            rare().received.append(room.data(),
                                   static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        }
    }
    return Progress::from_failed;
}

Progress Direction::peek(const Side& from, const Side& to, const Means& means)
{
    if (!readable_ || ahead_ > 0)
        return Progress::waiting;
    const std::size_t most = allowance_ ? allowance_->bytes(means.now) : most_ahead;
    if (most == 0)
        return Progress::throttled;
    const auto room = means.buffer.subspan(frame_header_size, std::min(most, most_ahead));
    const ssize_t size = ::recv(from.descriptor, room.data(), room.size(), MSG_PEEK);
    if (allowance_)
        allowance_->use(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    readable_ = false;
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        return Progress::from_failed;
    if (size <= 0) // an end can wait
        return Progress::waiting;
    ahead_ = static_cast<std::size_t>(size);
    std::span<const std::byte> rest = framed(means.buffer, ahead_);
    if (write(to, rest) == Progress::to_failed)
        return Progress::to_failed;
    if (!rest.empty())
        hold(rest);
    return Progress::waiting;
}

void Direction::await_start(std::size_t ahead)
{
    awaits_start_ = true;
    ahead_ = ahead;
    bytes_ += ahead;
}

void Direction::start()
{
    awaits_start_ = false;
    readable_ = true;
}

// Must not leave any of them, which would be sent twice. MSG_TRUNC: they go without being copied,
// tcp(7).
Progress Direction::take_ahead(int from)
{
    const ssize_t size = ::recv(from, nullptr, ahead_, MSG_TRUNC | MSG_DONTWAIT);
    if (size > 0)
        ahead_ -= static_cast<std::size_t>(size);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR)) // they are there: see read()
        return Progress::from_failed;
    return Progress::more;
}

Direction::Rare& Direction::rare()
{
    if (!rare_)
        rare_ = std::make_unique<Rare>();
    return *rare_;
}

void Direction::receive_first(std::string bytes)
{
    if (!bytes.empty())
        rare().received = std::move(bytes);
}

// Behind what is held already.
void Direction::send_first(std::string_view bytes)
{
    overhead_ += bytes.size();
    const auto* const held = reinterpret_cast<const char*>(held_.bytes.get());
    const std::string all = std::string(held + held_.begin, held + held_.end).append(bytes);
    hold(std::as_bytes(std::span(all)));
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

Progress Direction::write(const Side& to, std::span<const std::byte>& bytes)
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

Progress Direction::flush_held(const Side& to)
{
    std::span<const std::byte> rest(held_.bytes.get() + held_.begin, held_.end - held_.begin);
    const Progress progress = write(to, rest);
    held_.begin = held_.end - static_cast<std::uint32_t>(rest.size());
    if (progress == Progress::more)
        held_ = Held();
    return progress;
}

void Direction::hold(std::span<const std::byte> rest)
{
    held_.bytes = std::make_unique_for_overwrite<std::byte[]>(rest.size());
    held_.begin = 0;
    held_.end = static_cast<std::uint32_t>(rest.size());
    std::ranges::copy(rest, held_.bytes.get());
}

} // namespace tunnel
