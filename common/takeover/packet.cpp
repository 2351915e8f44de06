#include "common/takeover/packet.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "common/base/asio.hpp"
#include "common/base/error.hpp"

namespace tunnel {

namespace {

constexpr std::size_t room_for_descriptors = CMSG_SPACE(sizeof(int) * most_descriptors_in_packet);

struct alignas(cmsghdr) ControlRoom {
    std::array<char, room_for_descriptors> bytes{};
};

void take_descriptors(msghdr& message, std::vector<Fd>& all)
{
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof descriptor, sizeof descriptor);
            all.emplace_back(descriptor);
        }
    }
}

} // namespace

std::error_code send_packet(int socket, std::string_view text, std::span<const int> descriptors)
{
    if (text.empty() || text.size() > largest_packet ||
        descriptors.size() > most_descriptors_in_packet)
        return make_error_code(std::errc::message_size);
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    ControlRoom control;
    if (!descriptors.empty()) {
        message.msg_control = control.bytes.data();
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    while (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno != EINTR)
            return last_error();
    }
    return {};
}

std::error_code receive_packet(int socket, Packet& packet)
{
    packet = {};
    packet.text.resize(largest_packet);
    iovec part{packet.text.data(), packet.text.size()};
    ControlRoom control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    ssize_t size = 0;
    while ((size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) {
        if (errno != EINTR)
            return last_error();
    }
    take_descriptors(message, packet.descriptors);
    packet.text.resize(static_cast<std::size_t>(size));
    if (size == 0)
        return make_error_code(asio::error::eof);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return make_error_code(std::errc::message_size);
    return {};
}

} // namespace tunnel
