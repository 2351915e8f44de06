#include "common/transport/unix_dialer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/sandbox/helper_process.hpp"

namespace tunnel {

namespace {

using RequestNumber = std::uint64_t;

constexpr std::size_t longest_socket_path = sizeof(sockaddr_un::sun_path);
constexpr auto answer_limit = std::chrono::seconds(5);
constexpr int most_answers_a_turn = 16;

thread_local UnixDialer* dialer_in_use = nullptr;

struct Question {
    RequestNumber number;
    std::array<char, longest_socket_path> path; // ended by a zero byte
};

struct DialAnswer {
    RequestNumber number;
    int error;
};

// One message with a descriptor beside it, or without.
struct Packet {
    explicit Packet(std::span<std::byte> bytes) : part{bytes.data(), bytes.size()}
    {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
    }

    void attach(int descriptor)
    {
        header.msg_control = room.data();
        header.msg_controllen = room.size();
        cmsghdr* const rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }

    void expect_descriptor()
    {
        header.msg_control = room.data();
        header.msg_controllen = room.size();
    }

    Fd descriptor()
    {
        for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr;
             each = CMSG_NXTHDR(&header, each)) {
            if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
                continue;
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(each), sizeof descriptor);
            return Fd(descriptor);
        }
        return {};
    }

    iovec part;
    msghdr header{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
};

template <class Message>
std::span<std::byte> bytes_of(Message& message)
{
    return std::as_writable_bytes(std::span(&message, 1));
}

// ---- The helper

class DialerHelper {
public:
    DialerHelper(int channel, int control, std::vector<std::string> paths)
        : channel_(channel), control_(control), paths_(std::move(paths))
    {
    }

    // Until the program ends.
    void serve()
    {
        for (;;) {
            std::array<pollfd, 2> both{{{channel_, POLLIN, 0}, {control_, POLLIN, 0}}};
            if (::poll(both.data(), control_ < 0 ? 1 : 2, -1) < 0)
                continue;
            if (both[1].revents != 0 && control_ >= 0)
                hear_paths();
            else if (both[0].revents != 0 && !answer_one()) // new paths come first
                return;
        }
    }

private:
    void hear_paths()
    {
        std::uint32_t size = 0;
        if (!read_whole(std::as_writable_bytes(std::span(&size, 1))))
            return;
        std::string all(size, '\0');
        if (!read_whole(std::as_writable_bytes(std::span(all))))
            return;
        // Added to the former ones, which are in use until the reload has gone well, and still are
        // if it fails.
        for (std::string_view rest = all; !rest.empty();) {
            const std::size_t end = std::min(rest.find('\0'), rest.size());
            if (std::string path(rest.substr(0, end));
                std::ranges::find(paths_, path) == paths_.end())
                paths_.push_back(std::move(path));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }

    bool read_whole(std::span<std::byte> room)
    {
        while (!room.empty()) {
            const ssize_t size = ::read(control_, room.data(), room.size());
            if (size < 0 && errno == EINTR)
                continue;
            if (size <= 0) { // the file reader has ended: the paths stay what they are
                control_ = -1;
                return false;
            }
            room = room.subspan(static_cast<std::size_t>(size));
        }
        return true;
    }

    bool answer_one()
    {
        Question question{};
        const ssize_t size = ::recv(channel_, &question, sizeof question, 0);
        if (size < 0 && errno == EINTR)
            return true;
        if (size != static_cast<ssize_t>(sizeof question))
            return false;
        question.path.back() = '\0';
        const std::string path(question.path.data());
        DialAnswer answer{question.number, EACCES};
        UnixAttempt attempt;
        if (std::ranges::find(paths_, path) != paths_.end()) {
            attempt = try_unix(path);
            answer.error = attempt.error.value();
        }
        Packet packet(bytes_of(answer));
        if (answer.error == 0)
            packet.attach(attempt.socket.get());
        ssize_t sent = 0;
        do
            sent = ::sendmsg(channel_, &packet.header, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        return sent >= 0;
    }

    int channel_;
    int control_;
    std::vector<std::string> paths_;
};

} // namespace

// Shared with the handlers, which may come after the end of the UnixDialer.
struct UnixDialer::State : std::enable_shared_from_this<State> {
    struct Pending {
        Signal answered;
        std::optional<UnixAttempt> attempt{};
    };

    State(asio::io_context& io, Fd end) : channel(io, end.release()) {}

    void receive()
    {
        channel.async_wait(asio::posix::stream_descriptor::wait_read,
                           [state = shared_from_this()](std::error_code error) {
                               if (!error && state->take_answers())
                                   state->receive();
                               else
                                   state->lose(error);
                           });
    }

    // False: there will be no more.
    bool take_answers()
    {
        for (int count = 0; count < most_answers_a_turn; ++count) {
            DialAnswer answer{};
            Packet packet(bytes_of(answer));
            packet.expect_descriptor();
            const ssize_t size =
                ::recvmsg(channel.native_handle(), &packet.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
            if (size < 0 && (errno == EAGAIN || errno == EINTR))
                return true;
            if (size != static_cast<ssize_t>(sizeof answer))
                return false;
            UnixAttempt attempt{packet.descriptor(), {answer.error, std::system_category()}};
            // The kernel passes none when this process has no number left for it.
            if (!attempt.error && !attempt.socket.is_open())
                attempt.error = make_error_code(std::errc::too_many_files_open);
            const auto waiting = asked.find(answer.number);
            if (waiting == asked.end()) // given up: it is closed
                continue;
            waiting->second.attempt = std::move(attempt);
            waiting->second.answered.notify();
        }
        return true;
    }

    void lose(std::error_code error)
    {
        if (error != asio::error::operation_aborted) // our own end
            log::error("the process that connects to Unix sockets has ended, so their visitors are "
                       "refused until a restart");
        gone = true;
        for (auto& [number, waiting] : asked)
            waiting.answered.notify();
    }

    asio::posix::stream_descriptor channel;
    RequestNumber last = 0;
    std::map<RequestNumber, Pending> asked;
    bool gone = false;
};

UnixDialer::UnixDialer(asio::io_context& io, Sandbox sandbox, const std::optional<User>& user,
                       std::vector<std::string> paths)
{
    HelperChannel channel = make_helper_channel(SOCK_SEQPACKET);
    HelperChannel control = make_helper_channel(SOCK_STREAM);
    std::vector<Fd> handed_over;
    handed_over.push_back(std::move(channel.theirs));
    handed_over.push_back(std::move(control.theirs));
    start_helper("unix-dialer", std::move(handed_over),
                 [&paths, &user, sandbox](std::span<const int> descriptors) {
                     if (user)
                         become(*user, false);
                     enter_unix_dialer_sandbox(sandbox);
                     DialerHelper(descriptors[0], descriptors[1], std::move(paths)).serve();
                 });
    control_ = std::move(control.ours);
    // It is written by a process that may wait.
    ::fcntl(control_.get(), F_SETFL, 0);
    state_ = std::make_shared<State>(io, std::move(channel.ours));
    state_->receive();
}

UnixDialer::~UnixDialer()
{
    std::error_code ignored;
    state_->channel.close(ignored);
    if (dialer_in_use == this)
        dialer_in_use = nullptr;
}

awaitable<UnixAttempt> UnixDialer::connect(std::string path)
{
    struct Asked {
        State& state;
        RequestNumber number;

        ~Asked() { state.asked.erase(number); }
    };

    const auto state = state_;
    UnixAttempt attempt;
    Question question{++state->last, {}};
    if (path.size() >= question.path.size()) { // options are checked before
        attempt.error = make_error_code(std::errc::filename_too_long);
        co_return attempt;
    }
    std::ranges::copy(path, question.path.begin());
    // EAGAIN: as if the queue of the server were full.
    if (::send(state->channel.native_handle(), &question, sizeof question, MSG_NOSIGNAL) < 0) {
        attempt.error = last_error();
        co_return attempt;
    }
    State::Pending& pending =
        state->asked.emplace(question.number, State::Pending{Signal(state->channel.get_executor())})
            .first->second;
    const Asked asked{*state, question.number};
    const auto deadline = Clock::now() + answer_limit;
    while (!state->gone && !pending.attempt && Clock::now() < deadline)
        co_await pending.answered.wait_until(deadline);
    if (pending.attempt)
        attempt = std::move(*pending.attempt);
    else
        attempt.error =
            make_error_code(state->gone ? std::errc::broken_pipe : std::errc::timed_out);
    co_return attempt;
}

void tell_paths(int control, const std::vector<std::string>& paths)
{
    std::string all;
    for (const std::string& path : paths)
        all += path + '\0';
    const auto size = static_cast<std::uint32_t>(all.size());
    write_whole(control, {reinterpret_cast<const char*>(&size), sizeof size});
    write_whole(control, all);
}

void dial_unix_through(UnixDialer* dialer)
{
    dialer_in_use = dialer;
}

UnixDialer* unix_dialer_in_use()
{
    return dialer_in_use;
}

} // namespace tunnel
