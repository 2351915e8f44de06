// The program that runs, as a command asks it.
#pragma once

#include <string>

#include "common/base/json.hpp"
#include "common/commands/query.hpp"
#include "common/options/management_options.hpp"

namespace tunnel {

// There is nothing of the name that is to be changed.
struct NoSuchName : QueryError {
    using QueryError::QueryError;
};

// Whatever it does not answer, or not as expected, is a QueryError.
class RunningProgram {
public:
    // Warns in the log of token files that others may read. `name` is that of the program, and
    // `options` have an address.
    RunningProgram(std::string name, ManagementOptions options);

    // The answer to GET, such as that to "/v1/status".
    Json get(const std::string& target) const;

    // Every entry of a list that comes in pages; `filter` is what belongs behind the "?" as well.
    Json all(const std::string& key, const std::string& filter = {}) const;

    // The answer to POST, and under "kept" whether that outlives a restart, as Tunnel-Kept says.
    // Throws NoSuchName for 404.
    Json change(const std::string& target) const;

    // Throws QueryError: there is no `what` of this name in the list under `key`, with the name
    // that was most likely meant, or those that there are.
    [[noreturn]] void refuse_name(const std::string& key, std::string_view what,
                                  const std::string& name) const;

    // Whether that is what answers, by its /v1/status.
    void expect_itself(const Json& status) const;

    // As GET /ready says; empty: it is ready.
    std::string why_not_ready() const;

    const std::string& name() const { return name_; }

    // The same for what is printed.
    std::string where() const;

private:
    Answer ask(const Query& what) const;
    std::string token_file(bool is_change) const;
    [[noreturn]] void refuse(const Answer& answer, bool is_change) const;

    const std::string name_;
    const ManagementOptions options_;
};

} // namespace tunnel
