#include <doctest/doctest.h>

#include <map>
#include <stdexcept>
#include <string>

#include "common/files/snapshot.hpp"

using namespace tunnel;

namespace {

class Played : public FileSource {
public:
    PrivateText read(const std::string& path, std::size_t limit) override
    {
        ++reads;
        const auto found = texts.find(path);
        if (found == texts.end())
            cannot_read(path, "it is not there");
        if (found->second.size() > limit)
            too_large(path, limit);
        return PrivateText(found->second);
    }

    FileStatus status(const std::string& path) override
    {
        return {1, 2, texts.contains(path) ? 0100600U : 0U, 4, -5};
    }

    std::vector<std::string> names_in(const std::string&) override { return {"b", "a", ""}; }

    std::map<std::string, std::string> texts;
    int reads = 0;
};

std::string failure(FileSource& files, const std::string& path, std::size_t limit = 100)
{
    try {
        files.read(path, limit);
        return {};
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("a snapshot answers as the files did when it was recorded")
{
    Played played;
    played.texts = {{"/one", "text"}, {"/empty", ""}, {"/zero", std::string("a\0b", 3)}};
    RecordedFiles recorded(played);
    for (const char* path : {"/one", "/empty", "/zero", "/one"})
        recorded.read(path, 100);
    CHECK(played.reads == 3);
    const std::string missing = failure(recorded, "/missing");
    recorded.status("/one");
    recorded.status("/missing");
    recorded.names_in("/");
    const PrivateText bytes = recorded.encode();
    played.texts["/one"] = "changed";

    auto snapshot = Snapshot::decode(bytes.view());
    REQUIRE(snapshot);
    CHECK(snapshot->read("/one", 100).view() == "text");
    CHECK(snapshot->read("/empty", 100).view().empty());
    CHECK(snapshot->read("/zero", 100).view() == std::string_view("a\0b", 3));
    CHECK(failure(*snapshot, "/missing") == missing);
    CHECK(failure(*snapshot, "/one", 3) == "cannot read /one: it has more than 3 bytes");
    CHECK(failure(*snapshot, "/other") ==
          "cannot read /other: it was not named when the files were read");
    CHECK(snapshot->status("/one") == played.status("/one"));
    CHECK_FALSE(snapshot->status("/missing").exists());
    CHECK_FALSE(snapshot->status("/other").exists());
    CHECK(snapshot->names_in("/") == std::vector<std::string>{"b", "a", ""});
    CHECK(snapshot->names_in("/other").empty());
}

TEST_CASE("no part of a snapshot's bytes is taken for a whole one, unless it ends with an entry")
{
    Played played;
    played.texts = {{"/one", "text"}};
    RecordedFiles recorded(played);
    recorded.read("/one", 100);
    recorded.names_in("/");
    const PrivateText bytes = recorded.encode();
    int whole = 0;
    for (std::size_t size = 0; size < bytes.view().size(); ++size)
        whole += Snapshot::decode(bytes.view().substr(0, size)) ? 1 : 0;
    CHECK(whole == 2); // nothing, and the first entry alone
    CHECK_FALSE(Snapshot::decode("\x09\x01"));
    CHECK_FALSE(Snapshot::decode(std::string(bytes.view()) + "x"));
}

TEST_CASE("files that could not be read say why, each of them")
{
    UnreadableFiles none("it takes too long");
    CHECK(failure(none, "/one") == "cannot read /one: it takes too long");
    CHECK_FALSE(none.status("/one").exists());
    CHECK(none.names_in("/").empty());
}

TEST_CASE("a thread reads from another source for as long as it is told to")
{
    Played played;
    played.texts = {{"/nowhere/one", "text"}};
    {
        const ReadFrom from(played);
        CHECK(files().read("/nowhere/one", 10).view() == "text");
    }
    CHECK(failure(files(), "/nowhere/one") != "");
}
