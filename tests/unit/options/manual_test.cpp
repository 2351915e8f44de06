// Pages of the manual, and the language in which they are written.
#include <doctest/doctest.h>

#include "common/options/manual.hpp"
#include "common/options/mdoc.hpp"
#include "origin-proxy/options/description.hpp"
#include "remote-proxy/options/description.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("no text becomes an order, and each sentence has a line of its own")
{
    CHECK(mdoc_text("One. Two") == "One.\nTwo\n");
    CHECK(mdoc_text(".Sh x") == "\\&.Sh x\n");
    CHECK(mdoc_text("'a") == "\\&'a\n");
    CHECK(mdoc_text("a\\b") == "a\\eb\n");
    CHECK(mdoc_text("") == "");
    CHECK(mdoc_text("see --log-level, or read-only") == "see \\-\\-log\\-level, or read-only\n");
    CHECK(mdoc_word("Ar") == "\\&Ar\\&");
    CHECK(mdoc_word("a b\"c\\") == "\\&a\\ b\\(dqc\\e\\&");
    CHECK(mdoc_flag("--json", "") == "Fl -json");
    CHECK(mdoc_flag("-c", "FILE") == "Fl c Ar \\&FILE\\&");
}

TEST_CASE("a page has the sections that a reader looks for, and every flag")
{
    const auto page = parsed<RemoteOptions>({"man"});
    CHECK(page.code == 0);
    std::size_t last = 0;
    for (const auto* each :
         {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "ENVIRONMENT", "FILES",
          "SIGNALS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"}) {
        CAPTURE(each);
        const std::size_t at = page.out.find(std::string(".Sh ") + each + "\n");
        CHECK(at != std::string::npos);
        CHECK(at > last);
        last = at;
    }
    RemoteOptions any;
    for (const Option& each : describe(any).options) {
        if (!each.is(Trait::key_only))
            CHECK_MESSAGE(contains(page.out, "Fl -" + each.name), each.name);
    }
    CHECK(contains(parsed<OriginOptions>({"man"}).out, ".Dt ORIGIN-PROXY 1\n"));
}

TEST_CASE("the page of the file has the keys of tables")
{
    const auto page = parsed<OriginOptions>({"man", "config"});
    CHECK(page.code == 0);
    CHECK(contains(page.out, ".Dt ORIGIN-PROXY.TOML 5\n"));
    CHECK(contains(page.out, ".Ss [services.NAME]\n"));
    CHECK(contains(page.out, ".It Ic origin-server-addr No = "));
    CHECK(contains(parsed<OriginOptions>({"man", "x"}).err, "expected config"));
}
