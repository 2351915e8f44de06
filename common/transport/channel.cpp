#include "common/transport/channel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Of an encrypted stream: each look decrypts only so many, since a peer may send them one by one.
constexpr std::size_t enough_to_see = 64;

// The peer has ended its stream; what it sent before may not be read yet.
bool hung_up(int descriptor)
{
    pollfd poll{descriptor, POLLRDHUP, 0};
    return ::poll(&poll, 1, 0) > 0 && (poll.revents & POLLRDHUP) != 0;
}

} // namespace

Channel::Channel(Fd socket, Tls tls, std::string read_ahead) : socket_(std::move(socket))
{
    if (tls || !read_ahead.empty())
        more_ = std::make_unique<More>(More{std::move(tls), std::move(read_ahead)});
}

ssize_t Channel::receive(std::span<std::byte> room)
{
    Tls none;
    return has_read_ahead() ? take_read_ahead(room)
                            : receive_bytes(descriptor(), tls_or(none), room);
}

ssize_t Channel::take_read_ahead(std::span<std::byte> room)
{
    const std::size_t size = std::min(ahead(), room.size());
    std::memcpy(room.data(), more_->read_ahead.data(), size);
    drop_read_ahead(size);
    return static_cast<ssize_t>(size);
}

void Channel::drop_read_ahead(std::size_t size)
{
    more_->read_ahead.erase(0, size);
    if (has_read_ahead())
        return;
    more_->read_ahead = std::string(); // erase() keeps the memory
    if (!is_encrypted())
        more_.reset();
}

ssize_t Channel::peek(std::span<std::byte> room)
{
    ssize_t came = is_encrypted() ? decrypt_ahead(room.size()) : 0;
    const std::size_t size = std::min(ahead(), room.size());
    if (size > 0)
        std::memcpy(room.data(), more_->read_ahead.data(), size);
    if (!is_encrypted() && size < room.size())
        came =
            ::recv(descriptor(), room.data() + size, room.size() - size, MSG_PEEK | MSG_DONTWAIT);
    // The kernel reports a reset only once, so it must not be lost behind what was read ahead.
    if (size == 0 || (came < 0 && errno != EAGAIN && errno != EINTR))
        return came;
    return static_cast<ssize_t>(size) + (is_encrypted() ? 0 : std::max<ssize_t>(came, 0));
}

// What the last read said, if there was any.
ssize_t Channel::decrypt_ahead(std::size_t most)
{
    ssize_t came = 0;
    for (std::size_t seen = ahead(); seen < std::min(most, enough_to_see);
         seen += static_cast<std::size_t>(came)) {
        came = read_ahead(most - seen);
        if (came <= 0)
            break;
    }
    return came;
}

ssize_t Channel::peek(std::span<std::byte> room, bool& ended)
{
    ended = !is_encrypted() &&
            hung_up(descriptor()); // asked first: then all that there is can be looked at
    const ssize_t size = peek(room);
    if (is_encrypted())
        ended = tls().has_ended();
    return size;
}

// Behind what is there already; as receive().
ssize_t Channel::read_ahead(std::size_t most)
{
    std::string bytes(most, '\0');
    Tls none;
    const ssize_t size =
        receive_bytes(descriptor(), tls_or(none), std::as_writable_bytes(std::span(bytes)));
    if (size <= 0)
        return size;
    bytes.resize(static_cast<std::size_t>(size));
    more().read_ahead.append(bytes);
    return size;
}

void Channel::unread(std::span<const std::byte> bytes)
{
    if (bytes.empty())
        return;
    more().read_ahead.insert(0, reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string Channel::take_read_ahead()
{
    if (!more_)
        return {};
    std::string taken = std::exchange(more_->read_ahead, {});
    if (!more_->tls)
        more_.reset();
    return taken;
}

Tls Channel::take_tls()
{
    return more_ ? std::move(more_->tls) : Tls();
}

bool Channel::hides_more_than(std::size_t seen) const
{
    int bytes = 0;
    if (!is_encrypted())
        ::ioctl(descriptor(), FIONREAD, &bytes);
    return ahead() + static_cast<std::size_t>(bytes) > seen;
}

void Channel::uncover(std::size_t seen)
{
    if (seen > ahead())
        read_ahead(seen - ahead());
}

void reset(Channel& channel)
{
    if (channel.is_open()) {
        reset_on_close(channel.descriptor());
        channel.close();
    }
}

} // namespace tunnel
