#include "common/relay/mailbox.hpp"

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

namespace tunnel {

Mailbox::Mailbox() : wake_up_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (!wake_up_.is_open())
        throw std::system_error(errno, std::system_category(), "eventfd");
}

bool Mailbox::put(std::unique_ptr<Pair>& pair)
{
    {
        const std::lock_guard lock(mutex_);
        if (news_.stop)
            return false;
        news_.arrived.push_back(std::move(pair));
        has_news_ = true;
    }
    wake_if_asleep();
    return true;
}

void Mailbox::end(Which which)
{
    {
        const std::lock_guard lock(mutex_);
        news_.to_end.push_back(std::move(which));
        has_news_ = true;
    }
    wake_if_asleep();
}

void Mailbox::stop()
{
    {
        const std::lock_guard lock(mutex_);
        news_.stop = true;
        has_news_ = true;
    }
    wake();
}

bool Mailbox::is_stopped()
{
    const std::lock_guard lock(mutex_);
    return news_.stop;
}

Mailbox::News Mailbox::take()
{
    const std::lock_guard lock(mutex_);
    News news = std::exchange(news_, News());
    news_.stop = news.stop;
    has_news_ = false;
    return news;
}

void Mailbox::wake_if_asleep()
{
    if (asleep_.exchange(false))
        wake();
}

void Mailbox::wake()
{
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_up_.get(), &one, sizeof one);
}

void Mailbox::woken()
{
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto size = ::read(wake_up_.get(), &ignored, sizeof ignored);
}

} // namespace tunnel
