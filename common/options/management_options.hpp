// What both programs can be told of their management interface.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "common/options/option.hpp"
#include "common/security/handshake.hpp"
#include "common/transport/address.hpp"

namespace tunnel {

// What parse_management_address understands, for error messages.
inline constexpr std::string_view management_address_syntax =
    "unix:PATH, or an address of this machine such as 127.0.0.1:9057";

// Where it listens: at a socket file, or at an address.
struct ManagementAddress {
    std::string path{}; // empty: there is none
    Address address{};
};

// Throws std::invalid_argument that says what was most likely meant.
ManagementAddress read_management_address(std::string_view text);

// nullopt: not of the form.
std::optional<ManagementAddress> parse_management_address(std::string_view text);

// As it is written.
std::string to_string(const ManagementAddress& address);

struct ManagementOptions {
    std::optional<ManagementAddress> address; // none: there is no such interface
    std::string token_file;                   // whoever has this token may do everything
    std::string read_token_file;              // whoever has this one may look
    CertificateFiles certificate;             // with one it is HTTPS
    std::string client_ca_file;               // clients need a certificate of this authority

    bool has_tokens() const { return !token_file.empty() || !read_token_file.empty(); }

    // Nobody is served of whom nothing is known.
    bool knows_clients() const { return has_tokens() || !client_ca_file.empty(); }

    // Files that others should not read.
    bool has_private_files() const { return has_tokens() || certificate.given(); }

    // That it makes, if it does.
    std::filesystem::path socket_file() const;

    // What cannot go together, in words that say so; empty: nothing.
    std::string contradiction() const;

    // Why a program that runs cannot be asked there, in the same way.
    std::string objection_to_asking() const;
};

OptionList describe(ManagementOptions& options);

// Why nobody may listen for it without a token or a client's certificate at an address that others
// can reach, and what to do about it. `where` is that address.
std::string way_out_for_open_address(std::string_view where);

} // namespace tunnel
