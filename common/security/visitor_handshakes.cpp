#include "common/security/visitor_handshakes.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <list>
#include <new>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/base/error.hpp"
#include "common/security/visitor_handshake.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Lets an alert through. A close with bytes unread would be a reset, behind which it may be lost;
// who sends more than this at once has hardly earned an alert.
void close_after_alert(Fd& socket)
{
    std::array<char, 16 * 1024> dropped;
    ::shutdown(socket.get(), SHUT_WR);
    ::recv(socket.get(), dropped.data(), dropped.size(), MSG_DONTWAIT);
    allow_clean_close(socket.get());
    socket.close();
}

} // namespace

// Of the thread of `io`, and of what waits there for its turn.
struct VisitorHandshakes::Shared {
    asio::io_context& io;
    std::size_t size = 0;
};

// One thread, and those it shakes hands with.
class VisitorHandshakes::Worker {
    // A visitor that is shaken hands with.
    struct Waiting {
        asio::posix::stream_descriptor socket;
        std::error_code ended{}; // by other reasons than its own

        void end(std::error_code why)
        {
            std::error_code ignored;
            ended = why;
            socket.cancel(ignored); // what waits for it goes on, and sees `ended`
        }
    };

    friend struct VisitorHandshakes::Underway;

public:
    struct Visit {
        std::shared_ptr<Shared> shared;
        std::shared_ptr<const ServedCertificates> certificates;
        std::string name;
        Clock::time_point deadline;
        Done done;
        Answered answered;
        Handle handle;
        asio::executor_work_guard<asio::io_context::executor_type> io_is_needed;

        void note_answer()
        {
            if (answered)
                asio::post(shared->io, std::exchange(answered, nullptr));
        }

        void report(Result result)
        {
            note_answer();
            // The guard goes with it: there is more to do until it has had its turn.
            asio::post(shared->io, [shared = shared, done = std::move(done),
                                    result = std::move(result)]() mutable {
                --shared->size;
                done(std::move(result));
            });
        }
    };

    Worker() : thread_([this] { io_.run(); }) {}

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // After stop().
    ~Worker() { thread_.join(); }

    std::size_t load() const { return load_.load(std::memory_order_relaxed); }

    void begin(Fd socket, Visit visit)
    {
        load_.fetch_add(1, std::memory_order_relaxed);
        asio::post(io_, [this, socket = std::move(socket), visit = std::move(visit)]() mutable {
            asio::co_spawn(io_, serve(std::move(socket), std::move(visit)),
                           [](const std::exception_ptr& failure) {
                               if (failure) // it reports what can be borne
                                   std::rethrow_exception(failure);
                           });
        });
    }

    void cancel(const Handle& handle);

    // Does not wait for it.
    void stop()
    {
        asio::post(io_, [this] {
            for (Waiting* const each : waiting_)
                each->end(asio::error::operation_aborted);
            io_stays_.reset();
        });
    }

private:
    // As long as it lives the visitor can be cancelled.
    class Visible;

    // As long as it lives it is among those that stop() ends, and its time is limited.
    class Place {
    public:
        Place(Worker& worker, Waiting& waiting, Clock::time_point deadline)
            : all_(worker.waiting_),
              target_(std::make_shared<Waiting*>(&waiting)),
              timer_(worker.io_, deadline),
              entry_(all_.insert(all_.end(), &waiting)) // the last, since what fails leaves none
        {
            timer_.async_wait([target = target_](std::error_code error) {
                // The timer may have fired before it was cancelled.
                if (!error && *target != nullptr)
                    (*target)->end(asio::error::timed_out);
            });
        }

        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        ~Place()
        {
            *target_ = nullptr;
            all_.erase(entry_);
        }

    private:
        std::list<Waiting*>& all_;
        std::shared_ptr<Waiting*> target_;
        Timer timer_;
        std::list<Waiting*>::iterator entry_;
    };

    awaitable<void> serve(Fd socket, Visit visit);

    // False: it has failed or ended.
    static awaitable<bool> shake(VisitorHandshake& handshake, Waiting& waiting, Visit& visit)
    {
        using Step = VisitorHandshake::Step;
        using Descriptor = asio::posix::stream_descriptor;
        while (!waiting.ended) {
            const Step step = handshake.go_on();
            visit.note_answer();
            if (step == Step::done || step == Step::failed)
                co_return step == Step::done;
            const auto what =
                step == Step::wait_to_read ? Descriptor::wait_read : Descriptor::wait_write;
            std::error_code ignored; // the next step sees it, if it is not `ended`
            co_await waiting.socket.async_wait(what, redirect_error(use_awaitable, ignored));
        }
        co_return false;
    }

    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> io_stays_{io_.get_executor()};
    std::list<Waiting*> waiting_;
    std::atomic<std::size_t> load_ = 0;
    std::thread thread_; // last: starts when all the rest is there
};

// Of the worker's thread, but for `worker`.
struct VisitorHandshakes::Underway {
    Worker* worker = nullptr; // null: it never began
    Worker::Waiting* waiting = nullptr;
    bool is_cancelled = false; // before it waited
};

class VisitorHandshakes::Worker::Visible {
public:
    Visible(Underway& underway, Waiting& waiting) : underway_(underway)
    {
        underway_.waiting = &waiting;
        if (underway_.is_cancelled)
            waiting.ended = asio::error::operation_aborted;
    }

    Visible(const Visible&) = delete;
    Visible& operator=(const Visible&) = delete;

    ~Visible() { underway_.waiting = nullptr; }

private:
    Underway& underway_;
};

void VisitorHandshakes::Worker::cancel(const Handle& handle)
{
    asio::post(io_, [handle] {
        if (handle->waiting != nullptr)
            handle->waiting->end(asio::error::operation_aborted);
        else
            handle->is_cancelled = true;
    });
}

awaitable<void> VisitorHandshakes::Worker::serve(Fd socket, Visit visit)
{
    Result result;
    try {
        ssl_ctx_st* const context = visit.certificates->context_for(visit.name);
        if (context == nullptr)
            fail(make_error_code(Errc::handshake_failed), "there is no certificate for it");
        VisitorHandshake handshake(context, socket.get(), visit.name);
        Waiting waiting{asio::posix::stream_descriptor(io_, socket.get())};
        socket.release(); // that one's
        const Place place(*this, waiting, visit.deadline);
        const Visible visible(*visit.handle, waiting);
        const bool is_done = co_await shake(handshake, waiting, visit);
        socket = Fd(waiting.socket.release());
        result.error = waiting.ended ? waiting.ended : handshake.error();
        result.why = handshake.why();
        if (is_done)
            result.channel = Channel(std::move(socket), handshake.take());
        else if (handshake.has_alerted())
            close_after_alert(socket);
    } catch (const std::system_error& error) {
        result.error = error.code();
        result.why = error.what();
    } catch (const std::bad_alloc&) {
        result.error = make_error_code(std::errc::not_enough_memory);
    }
    reset(socket);
    load_.fetch_sub(1, std::memory_order_relaxed);
    visit.certificates.reset();
    visit.report(std::move(result));
}

VisitorHandshakes::VisitorHandshakes(asio::io_context& io, unsigned threads)
    : shared_(std::make_shared<Shared>(Shared{io})), threads_(std::max(threads, 1U))
{
}

VisitorHandshakes::~VisitorHandshakes()
{
    stop();
}

// With fewer than were asked for, if the system grants no more.
void VisitorHandshakes::start_workers()
{
    try {
        while (workers_.size() < threads_)
            workers_.push_back(std::make_unique<Worker>());
    } catch (const std::system_error&) {
        if (workers_.empty())
            throw;
        threads_ = static_cast<unsigned>(workers_.size());
    }
}

VisitorHandshakes::Handle
VisitorHandshakes::begin(Fd socket, std::shared_ptr<const ServedCertificates> certificates,
                         const std::string& name, Clock::time_point deadline, Done done,
                         Answered answered)
{
    ++shared_->size;
    const auto handle = std::make_shared<Underway>();
    Worker::Visit visit{
        shared_,         std::move(certificates), name,   deadline,
        std::move(done), std::move(answered),     handle, asio::make_work_guard(shared_->io)};
    Result failed;
    try {
        if (!stopped_) {
            start_workers();
            handle->worker = std::ranges::min_element(workers_, {}, &Worker::load)->get();
            handle->worker->begin(std::move(socket), std::move(visit));
            return handle;
        }
        failed.error = asio::error::operation_aborted;
    } catch (const std::system_error& error) {
        failed.error = error.code();
        failed.why = error.what();
    }
    reset(socket);
    visit.report(std::move(failed));
    return handle;
}

void VisitorHandshakes::cancel(const Handle& handle)
{
    if (handle->worker != nullptr && !stopped_)
        handle->worker->cancel(handle);
}

std::size_t VisitorHandshakes::size() const
{
    return shared_->size;
}

void VisitorHandshakes::stop()
{
    stopped_ = true;
    for (const auto& worker : workers_)
        worker->stop();
    workers_.clear();
}

} // namespace tunnel
