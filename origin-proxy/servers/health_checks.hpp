// The checks of all origin servers for which there are any.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/tally.hpp"
#include "common/base/task_group.hpp"
#include "origin-proxy/servers/health.hpp"
#include "origin-proxy/servers/services.hpp"

namespace tunnel {

// Each is checked again and again, at moments that are spread at random so that many do not come at
// once, and no more of them at the same time than there are descriptors for.
class HealthChecks {
public:
    // Called for what the remote proxy has to know; empty `why`: the server is healthy.
    using Report = std::function<void(const Service& service, const std::string& why)>;

    // `tasks` and what `report` needs must outlive it. At least one check may run at once.
    HealthChecks(asio::any_io_executor executor, TaskGroup& tasks, std::size_t at_once,
                 Report report);

    // Checks the servers of these services from now on, as far as their options ask for it. What is
    // known of one that was checked before is still known, and reported again after a stop(). One
    // that replaces another is taken for healthy, which is reported if the other was not.
    void check(const std::vector<std::shared_ptr<Service>>& wanted);

    // Those that are under way go on.
    void set_at_once(std::size_t at_once) { at_once_ = at_once; }

    // What the checks of a service have come to so far.
    struct Known {
        std::string service;
        bool healthy;
    };

    // Of those that are checked now, in the order of their names.
    std::vector<Known> known() const;

    // Checks and reports nothing more. What is under way ends within its timeout.
    void stop();

private:
    struct Checked;

    awaitable<void> go_on_checking(std::shared_ptr<Checked> checked);
    awaitable<void> look(Checked& checked);
    void note(Checked& checked, bool healthy, const Reason& why);
    Clock::duration part_of(Clock::duration whole, double least, double most);

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    std::size_t at_once_;
    Report report_;
    std::size_t under_way_ = 0;
    Signal one_ended_;
    std::minstd_rand random_;
    Tally unknown_{"cannot check an origin server", Code::no_descriptors};
    std::map<std::string, std::shared_ptr<Checked>, std::less<>> checked_; // by the service's name
};

} // namespace tunnel
