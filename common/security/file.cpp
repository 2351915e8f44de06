#include "common/security/file.hpp"

#include <string_view>

#include <sys/stat.h>

#include "common/base/log.hpp"
#include "common/files/file_source.hpp"

namespace tunnel {

namespace {

constexpr std::string_view utf_8_mark = "\xEF\xBB\xBF";

// As Windows' editors, and PowerShell's >, write it. Text in UTF-16 without the mark has a zero
// byte beside each letter.
bool is_utf_16_or_32(std::string_view text)
{
    using namespace std::string_view_literals;
    return text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv) ||
           text.starts_with("\0\0\xFE\xFF"sv) ||
           (text.size() >= 4 && ((text[0] == '\0' && text[1] != '\0' && text[2] == '\0') ||
                                 (text[0] != '\0' && text[1] == '\0' && text[3] == '\0')));
}

} // namespace

PrivateText read_file(const std::string& path, std::size_t limit)
{
    PrivateText text = files().read(path, limit);
    if (is_utf_16_or_32(text.view()))
        cannot_read(path,
                    "it is in UTF-16, as some editors and PowerShell's > write it: save it as "
                    "UTF-8");
    if (text.view().starts_with(utf_8_mark))
        text.drop_front(utf_8_mark.size());
    return text;
}

void warn_if_others_may_read(const std::string& path)
{
    const FileStatus status = files().status(path);
    if (status.is_regular() && (status.mode & (S_IRWXG | S_IRWXO)) != 0)
        log::warn("other users can read this file, which contains a secret: run chmod 600 on it",
                  {{"file", path}});
}

PrivateText read_private_file(const std::string& path, std::size_t limit)
{
    PrivateText text = read_file(path, limit);
    warn_if_others_may_read(path);
    return text;
}

} // namespace tunnel
