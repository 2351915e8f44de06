// Writes to a descriptor that may block, such as stderr or a file, from a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/log_file.hpp"

namespace tunnel {

// A bounded queue of lines and the thread that writes them. Adding a line never waits for the
// descriptor, be it a full pipe, a stopped terminal or a disk. Lines that do not fit are dropped
// and counted.
//
// The thread exists while there is something to write, and a little longer. It is detached, because
// a write may hang for ever; so an Output must never be destroyed once started.
class Output {
public:
    using Clock = std::chrono::steady_clock;

    // The line that says how many were dropped. Called in the thread.
    using Note = std::function<std::string(std::uint64_t lines)>;

    // Adds lines that are due at `now`; returns when to call it next. Called in the thread each
    // time it wakes.
    using Timed =
        std::function<std::optional<Clock::time_point>(std::string& lines, Clock::time_point now)>;

    // `most` bounds the waiting bytes; as many again may be in a write.
    Output(int descriptor, std::size_t most, Note note, Timed timed = {});

    // The same to a file, which lives as long. Only the thread touches it from start() on.
    Output(LogFile& file, std::size_t most, Note note, Timed timed = {});

    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output() = delete;

    // Whole lines with their ends. They wait until start().
    void put(std::string_view lines);

    // Calls the function of timed lines soon.
    void wake();

    // Has the thread open its file again, if it has one, before it writes on.
    void reopen();

    // Allows the thread to start.
    void start();

    // Starts, and waits until everything is written, until `limit` at the latest. Returns whether
    // it is.
    bool finish(Clock::time_point limit);

private:
    void add(std::string_view lines);
    void ensure_thread();
    void run();
    void reopen_file(std::unique_lock<std::mutex>& lock);
    int descriptor() const;
    void write_pending(std::unique_lock<std::mutex>& lock);

    const int descriptor_; // if there is no file
    LogFile* const file_ = nullptr;
    const std::size_t most_;
    const Note note_;
    const Timed timed_;
    std::mutex mutex_; // never held during a write
    std::condition_variable wanted_;
    std::condition_variable written_;
    std::string pending_;
    std::uint64_t left_out_ = 0; // after `pending_`
    std::uint64_t failed_ = 0;   // lines that the descriptor did not take, before `pending_`
    bool torn_ = false;          // the last write ended within a line
    bool started_ = false;
    bool running_ = false; // there is a thread
    bool waiting_ = false; // it has nothing to do
    bool woken_ = false;
    bool reopens_ = false;
    bool ending_ = false; // finish() waits
};

} // namespace tunnel
