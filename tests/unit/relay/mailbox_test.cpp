#include <doctest/doctest.h>

#include <poll.h>

#include "common/relay/mailbox.hpp"

using namespace tunnel;

namespace {

std::unique_ptr<Pair> some_pair()
{
    return std::make_unique<Pair>(
        Channel(), Channel(), [](Flow&) {}, PairOptions());
}

bool is_woken(const Mailbox& mailbox)
{
    pollfd ready{mailbox.descriptor(), POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
}

} // namespace

TEST_CASE("what is put in is taken once")
{
    Mailbox mailbox;
    CHECK_FALSE(mailbox.has_news());
    auto pair = some_pair();
    CHECK(mailbox.put(pair));
    CHECK(pair == nullptr);
    mailbox.end([](const Pair&) { return true; });
    CHECK(mailbox.has_news());
    const Mailbox::News news = mailbox.take();
    CHECK(news.arrived.size() == 1);
    CHECK(news.to_end.size() == 1);
    CHECK_FALSE(news.stop);
    CHECK_FALSE(mailbox.has_news());
    CHECK(mailbox.take().arrived.empty());
}

TEST_CASE("a worker is woken only if it sleeps, and once for all news")
{
    Mailbox mailbox;
    auto pair = some_pair();
    mailbox.put(pair);
    CHECK_FALSE(is_woken(mailbox));
    mailbox.falls_asleep();
    pair = some_pair();
    mailbox.put(pair);
    CHECK(is_woken(mailbox));
    mailbox.woken();
    mailbox.end([](const Pair&) { return true; });
    CHECK_FALSE(is_woken(mailbox));
    mailbox.falls_asleep();
    mailbox.is_awake();
    mailbox.end([](const Pair&) { return true; });
    CHECK_FALSE(is_woken(mailbox));
}

TEST_CASE("after the stop no pair is taken, and the stop is told again and again")
{
    Mailbox mailbox;
    CHECK_FALSE(mailbox.is_stopped());
    mailbox.stop();
    CHECK(is_woken(mailbox));
    CHECK(mailbox.is_stopped());
    auto pair = some_pair();
    CHECK_FALSE(mailbox.put(pair));
    CHECK(pair != nullptr);
    CHECK(mailbox.take().stop);
    CHECK(mailbox.take().stop);
}
