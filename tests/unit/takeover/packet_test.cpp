#include <doctest/doctest.h>

#include <array>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/asio.hpp"
#include "common/takeover/packet.hpp"

using namespace tunnel;

namespace {

struct PacketPair {
    Fd one;
    Fd other;
};

PacketPair packet_pair(int kind = SOCK_SEQPACKET)
{
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

ino_t inode_of(int descriptor)
{
    struct stat about {};

    REQUIRE(::fstat(descriptor, &about) == 0);
    return about.st_ino;
}

} // namespace

TEST_CASE("packets arrive one by one, with their descriptors in order")
{
    const PacketPair pair = packet_pair();
    Packet packet;
    CHECK(receive_packet(pair.other.get(), packet) == std::errc::operation_would_block);
    const PacketPair first = packet_pair();
    const std::array<int, 2> both{first.one.get(), first.other.get()};
    CHECK_FALSE(send_packet(pair.one.get(), "one", both));
    CHECK_FALSE(send_packet(pair.one.get(), std::string(largest_packet, 'x')));
    CHECK_FALSE(receive_packet(pair.other.get(), packet));
    CHECK(packet.text == "one");
    REQUIRE(packet.descriptors.size() == 2);
    CHECK(inode_of(packet.descriptors[0].get()) == inode_of(first.one.get()));
    CHECK(inode_of(packet.descriptors[1].get()) == inode_of(first.other.get()));
    CHECK_FALSE(receive_packet(pair.other.get(), packet));
    CHECK(packet.text == std::string(largest_packet, 'x'));
    CHECK(packet.descriptors.empty());
}

TEST_CASE("what is too large for a packet is refused on both sides, and a peer that left is known")
{
    PacketPair pair = packet_pair();
    CHECK(send_packet(pair.one.get(), std::string(largest_packet + 1, 'x')) ==
          std::errc::message_size);
    CHECK(send_packet(pair.one.get(), "") == std::errc::message_size);
    const std::string large(largest_packet + 10, 'x');
    REQUIRE(::send(pair.one.get(), large.data(), large.size(), 0) == std::ssize(large));
    Packet packet;
    CHECK(receive_packet(pair.other.get(), packet) == std::errc::message_size);
    pair.one.close();
    CHECK(receive_packet(pair.other.get(), packet) == asio::error::eof);
    CHECK(send_packet(pair.other.get(), "x") == std::errc::broken_pipe);
}
