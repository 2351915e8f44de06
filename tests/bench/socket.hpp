// The few socket calls that the server and the cases share.
#pragma once

#include <chrono>
#include <cstddef>
#include <netinet/in.h>
#include <span>
#include <string>

#include "common/base/fd.hpp"

namespace bench {

using tunnel::Fd;

// "127.0.0.1:8000". Throws std::invalid_argument.
sockaddr_in parse_target(const std::string& text);

// Throws std::system_error. The port that was taken is in `bound`.
Fd listen_on(sockaddr_in where, sockaddr_in& bound);

// A non-blocking socket whose connection is under way, from one of several source addresses, or a
// closed Fd with errno set.
Fd start_connecting(const sockaddr_in& target);

// A connected, blocking socket of which no call lasts longer than `limit`, or a closed Fd with
// errno set.
Fd connect_blocking(const sockaddr_in& target, std::chrono::seconds limit);

void set_nodelay(int socket);
void set_blocking(int socket, std::chrono::seconds limit);

// False with errno set; errno is 0 where the peer finished too early.
bool send_all(int socket, std::span<const char> bytes);
bool receive_all(int socket, std::span<char> bytes);

// As many descriptors as the hard limit allows, and no SIGPIPE.
void prepare_process();

} // namespace bench
