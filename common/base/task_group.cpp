#include "common/base/task_group.hpp"

#include <cassert>
#include <exception>

#include "common/base/code.hpp"
#include "common/base/log.hpp"

namespace tunnel {

namespace {

void log_failure(std::string_view name, const std::exception_ptr& failure)
{
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
        if (error.code() != asio::error::operation_aborted)
            log::warn(name, {{"code", name_of(code_of(error.code()))}, {"reason", error.what()}});
    } catch (const std::exception& error) {
        log::warn(name, {{"code", name_of(Code::failed)}, {"reason", error.what()}});
    }
}

} // namespace

TaskGroup::~TaskGroup()
{
    assert(signals_.empty() && "run the io_context dry before the group is destroyed");
}

void TaskGroup::spawn(std::string_view name, awaitable<void> task)
{
    const auto signal = signals_.emplace(signals_.end());
    auto ended = [this, signal, name](const std::exception_ptr& failure) {
        signals_.erase(signal);
        if (failure)
            log_failure(name, failure);
    };
    asio::co_spawn(executor_, std::move(task),
                   asio::bind_cancellation_slot(signal->slot(), std::move(ended)));
}

void TaskGroup::cancel()
{
    // A handler may run inside emit() and erase its own signal, so advance first.
    for (auto signal = signals_.begin(); signal != signals_.end();) {
        const auto current = signal++;
        current->emit(asio::cancellation_type::terminal);
    }
}

} // namespace tunnel
