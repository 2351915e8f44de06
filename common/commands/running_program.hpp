// A running program, as commands query it.
#pragma once

#include <string>

#include "common/base/json.hpp"
#include "common/commands/query.hpp"
#include "common/options/command.hpp"
#include "common/options/management_options.hpp"

namespace tunnel {

// The thing to be changed does not exist.
struct NoSuchName : QueryError {
    using QueryError::QueryError;
};

// A missing or unexpected answer is a QueryError.
class RunningProgram {
public:
    // Logs a warning about token files that other users can read. `name` is the program's;
    // `options` must have an address. The command says whether it is asked over HTTPS.
    RunningProgram(std::string name, ManagementOptions options, Command command = {});

    // The answer to a GET, of "/v1/status" for example.
    Json get(const std::string& target) const;

    // All entries of a paged list; `filter` is added to the query.
    Json all(const std::string& key, const std::string& filter = {}) const;

    // The answer to a POST; "kept" in it says whether the change outlives a restart (Tunnel-Kept).
    // Throws NoSuchName for 404.
    Json change(const std::string& target) const;

    // Throws QueryError: there is no `what` of this name in the list under `key`; it suggests the
    // most similar name, or lists those that exist.
    [[noreturn]] void refuse_name(const std::string& key, std::string_view what,
                                  const std::string& name) const;

    // Whether its /v1/status says that it is this program.
    void expect_itself(const Json& status) const;

    // Why it is not ready, from GET /ready; empty: it is.
    std::string why_not_ready() const;

    const std::string& name() const { return name_; }

    // The same for what is printed.
    std::string where() const;

private:
    Answer ask(const Query& what) const;
    std::string token_file(bool is_change) const;
    bool has_https() const;
    TlsContext tls_context() const;
    [[noreturn]] void refuse(const Answer& answer, bool is_change) const;

    const std::string name_;
    const ManagementOptions options_;
    const Command command_;
};

} // namespace tunnel
