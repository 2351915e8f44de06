// The values of X-Forwarded-For and of Forwarded (RFC 7239).
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

// What is said of a request by whoever took it from the one before.
struct ForwardedFor {
    std::string_view address{}; // empty: unknown
    std::string_view host{};    // with its port, as the request named it; empty: it did not
    std::string_view scheme{};
};

// What a visitor that is trusted says of those before it; empty: nothing.
struct SaidBefore {
    std::string forwarded{}; // elements of the Forwarded header
    std::string all_for{};   // members of X-Forwarded-For
    std::string_view host{};
    std::string_view scheme{};

    void add_forwarded(std::string_view value) { add(forwarded, value); }

    void add_for(std::string_view value) { add(all_for, value); }

private:
    static void add(std::string& list, std::string_view value)
    {
        if (!value.empty())
            list.append(list.empty() ? "" : ", ").append(value);
    }
};

// The value of X-Forwarded-For; empty: nothing is known.
std::string x_forwarded_for(const SaidBefore& said, const ForwardedFor& visitor);

// The value of Forwarded. Who has said nothing by that header, but by X-Forwarded-*, is understood,
// as far as the first 32 addresses, so that the two do not contradict each other.
std::string forwarded(const SaidBefore& said, const ForwardedFor& visitor);

} // namespace tunnel
