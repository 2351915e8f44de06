#include "tests/support/unix_server.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace tunnel::test {

namespace {

std::string new_folder()
{
    std::string name = (std::filesystem::temp_directory_path() / "unix-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
        throw std::system_error(errno, std::system_category(), "mkdtemp");
    return name;
}

Fd listening_at(const std::string& path, int queue)
{
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::ranges::copy(path, std::begin(name.sun_path));
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        ::listen(socket.get(), queue) != 0)
        throw std::system_error(errno, std::system_category(), path);
    return socket;
}

} // namespace

UnixServer::UnixServer(int queue)
    : folder_(new_folder()), path_(folder_ + "/app.sock"), server_(listening_at(path_, queue))
{
}

UnixServer::~UnixServer()
{
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

} // namespace tunnel::test
