#include "common/commands/running_program.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/log.hpp"
#include "common/http/page.hpp"
#include "common/http/target.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/option_values.hpp"
#include "common/security/file.hpp"
#include "common/security/token.hpp"

namespace tunnel {

namespace {

constexpr std::size_t most_pages = 1000; // more visitors than a program has descriptors for

// The first line of a refusal, such as "404 Not Found: why".
std::string first_line(const std::string& body)
{
    constexpr std::size_t longest = 500;
    const std::string line = body.substr(0, std::min(body.find('\n'), longest));
    std::string shown; // with the quotes as they are, which log::escape() would escape once more
    for (const char c : line)
        shown += c >= ' ' && c < '\x7f' ? std::string(1, c) : log::escape(std::string_view(&c, 1));
    return shown;
}

Json parse(const Answer& answer, const std::string& where)
{
    Json json = Json::parse(answer.body, nullptr, false);
    if (json.is_discarded())
        throw QueryError(fmt::format("{} answers something else than JSON: is it the management "
                                     "address of another program?",
                                     where));
    return json;
}

// Whoever listens at all addresses is asked at one of this machine.
std::string host_to_verify(const Address& address)
{
    const bool is_any = address.host.empty() || address.host == "0.0.0.0" || address.host == "::";
    return is_any ? "localhost" : address.host;
}

} // namespace

RunningProgram::RunningProgram(std::string name, ManagementOptions options, Command command)
    : name_(std::move(name)), options_(std::move(options)), command_(std::move(command))
{
    for (const std::string& file : {options_.token_file, options_.read_token_file}) {
        if (!file.empty())
            warn_if_others_may_read(file);
    }
}

std::string RunningProgram::where() const
{
    return log::escape(to_string(options_.address.value()));
}

// The one that is good for less, if it is good enough.
std::string RunningProgram::token_file(bool is_change) const
{
    const std::string& wanted = is_change ? options_.token_file : options_.read_token_file;
    const std::string& other = is_change ? options_.read_token_file : options_.token_file;
    return wanted.empty() ? other : wanted;
}

// A program that has a certificate of its own answers over HTTPS alone.
bool RunningProgram::has_https() const
{
    return options_.address->path.empty() &&
           (command_.wants_https() || options_.certificate.given());
}

// The files are read each time: with --watch they may be renewed.
TlsContext RunningProgram::tls_context() const
{
    const CertificateFiles own{command_.certificate, command_.key};
    const std::string& known = options_.certificate.certificate;
    const std::vector<OptionValue> files{{"ca", command_.authority, {command_.authority}},
                                         {"cert", own.certificate, {own.certificate}},
                                         {"key", own.key, {own.key}},
                                         {"management-tls-cert", known, {known}}};
    return read_configured(files, [&] {
        return command_.authority.empty() && !known.empty()
                   ? TlsContext::dials_with_known_certificate(known, own)
                   : TlsContext::dials_with_certificate(command_.authority, own, false);
    });
}

Answer RunningProgram::ask(const Query& what) const
{
    const std::string file = token_file(what.is_change);
    std::optional<PrivateText> token;
    if (!file.empty()) {
        const std::string key =
            file == options_.token_file ? "management-token-file" : "management-read-token-file";
        read_configured({OptionValue{key, file, {file}}},
                        [&token, &file] { token.emplace(token_in(file)); });
    }
    Query with_token = what;
    with_token.token = token ? token->view() : std::string_view();
    std::optional<TlsContext> tls;
    if (has_https()) {
        tls.emplace(tls_context());
        with_token.tls = &*tls;
        const bool knows_it =
            command_.authority.empty() && !options_.certificate.certificate.empty();
        with_token.host = knows_it ? "" : host_to_verify(options_.address->address);
    }
    return query(*options_.address, with_token);
}

Json RunningProgram::get(const std::string& target) const
{
    const Answer answer = ask({target});
    if (answer.status != 200)
        refuse(answer, false);
    return parse(answer, where());
}

Json RunningProgram::all(const std::string& key, const std::string& filter) const
{
    Json entries = Json::array();
    std::string after;
    for (std::size_t pages = 0; pages < most_pages; ++pages) {
        Json page = get(fmt::format("/v1/{}?limit={}{}{}", key, Page::most, filter, after));
        for (Json& entry : page.at(key))
            entries.push_back(std::move(entry));
        if (!page.contains("next"))
            return entries;
        after = "&after=" + encode_segment(page.at("next").get<std::string>());
    }
    throw QueryError(fmt::format("the list of {} at {} has no end", key, where()));
}

Json RunningProgram::change(const std::string& target) const
{
    const Answer answer = ask({target, true});
    if (answer.status != 200)
        refuse(answer, true);
    Json json = parse(answer, where());
    json["kept"] = answer.kept;
    return json;
}

void RunningProgram::refuse_name(const std::string& key, std::string_view what,
                                 const std::string& name) const
{
    constexpr std::size_t most_listed = 10;
    std::vector<std::string> names;
    for (const Json& each : all(key))
        names.push_back(each.at("name").get<std::string>());
    std::string way_out = did_you_mean(name, names);
    if (way_out.empty() && names.empty())
        way_out = "there is none at all";
    else if (way_out.empty() && names.size() <= most_listed)
        way_out = fmt::format("there {} {}", names.size() == 1 ? "is only" : "are",
                              fmt::join(names, ", "));
    else if (way_out.empty())
        way_out = fmt::format("{} status lists the names", name_);
    throw QueryError(
        fmt::format("there is no {} \"{}\": {}", what, log::escape(name), log::escape(way_out)));
}

void RunningProgram::expect_itself(const Json& status) const
{
    const auto program = log::escape(status.at("program").get<std::string>());
    if (program != name_)
        throw QueryError(fmt::format("at {} there is {}: ask with {} status, or give another "
                                     "--management-addr",
                                     where(), program, program));
}

std::string RunningProgram::why_not_ready() const
{
    const Answer answer = ask({"/ready"});
    if (answer.status == 200)
        return {};
    if (answer.status != 503)
        refuse(answer, false);
    const std::string line = first_line(answer.body);
    const std::size_t colon = line.find(": ");
    return colon == std::string::npos ? line : line.substr(colon + 2);
}

void RunningProgram::refuse(const Answer& answer, bool is_change) const
{
    const std::string file = log::escape(token_file(is_change));
    const std::string said = first_line(answer.body);
    if (answer.status == 401 && file.empty())
        throw QueryError(fmt::format("{} wants a token: give --management-token-file{}", where(),
                                     is_change ? "" : " or --management-read-token-file"));
    if (answer.status == 401)
        throw QueryError(fmt::format("{} does not know the token in {}: give the file that the "
                                     "program has itself; after a change of that it needs a SIGHUP",
                                     where(), file));
    if (answer.status == 403)
        throw QueryError(
            fmt::format("the token in {} is read-only: give --management-token-file", file));
    if (answer.status == 404 && is_change)
        throw NoSuchName(fmt::format("{}; {} status lists the names", said, name_));
    std::string way_out;
    if (answer.status == 404)
        way_out = "; is it the management address of another program?";
    throw QueryError(fmt::format("{} refuses: {}{}", where(),
                                 said.empty() ? fmt::format("status {}", answer.status) : said,
                                 way_out));
}

} // namespace tunnel
