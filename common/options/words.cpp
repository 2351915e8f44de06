// The words of a command line, before CLI11 reads them: what is wrong is said here, with what was
// most likely meant, since the library only says what it did not expect.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include <CLI/Error.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/log.hpp"
#include "common/options/flag.hpp"
#include "common/options/nearest_name.hpp"
#include "common/options/own_commands.hpp"

namespace tunnel {

namespace {

[[noreturn]] void refuse_word(const std::string& why)
{
    throw CLI::ValidationError(why);
}

std::string as_quoted(std::string_view word)
{
    return fmt::format("\"{}\"", log::escape(word));
}

// As CLI11 takes them.
void check_switch(const std::string& name, const std::string& value)
{
    constexpr std::array<std::string_view, 10> words{"true", "false",  "on",      "off", "yes",
                                                     "no",   "enable", "disable", "1",   "0"};
    if (std::ranges::find(words, value) == words.end())
        refuse_word(fmt::format("{}: {} is not true or false", name, as_quoted(value)));
}

bool takes_a_file(std::string_view command)
{
    return command == "check" || command == "print-config";
}

// What `completion` and `man` may be asked for; empty: nothing.
std::vector<std::string> choices_of(std::string_view command)
{
    if (command == "completion")
        return {"bash", "zsh", "fish"};
    if (command == "man")
        return {"config"};
    return {};
}

} // namespace

class CommandLine::WordReader {
public:
    WordReader(const CommandLine& line, int argc, const char* const* argv)
        : line_(line), given_(argv, argv + std::max(argc, 0))
    {
    }

    Words read()
    {
        words_.rest.push_back(given_.empty() ? line_.program_.name : given_.front());
        std::size_t first = 1;
        if (given_.size() > 1 && !given_[1].starts_with('-') && !given_[1].empty()) {
            take_command(given_[1]);
            first = 2;
        }
        for (next_ = first; next_ < given_.size();)
            take(given_[next_++]);
        if (form_ != nullptr && name_needed() && !has_name_ && !asks_for_text())
            refuse_word(
                fmt::format("NAME is required: {} {} NAME", line_.program_.name, form_->word));
        if (words_.command == "completion" && words_.argument.empty() && !asks_for_text())
            refuse_word(fmt::format("the name of a shell is required: {} {}", line_.program_.name,
                                    tunnel::form_of(*own_command(words_.command))));
        return std::move(words_);
    }

private:
    bool asks_for_text() const { return words_.help || words_.help_all || words_.version; }

    void take_command(const std::string& word)
    {
        form_ = line_.form_of(word);
        if (form_ == nullptr && own_command(word) == nullptr)
            refuse_word(line_.unknown_command(word));
        words_.command = word;
        words_.help = word == "help";
        words_.version = word == "version";
        if (form_ != nullptr)
            words_.rest.push_back(word);
    }

    bool name_needed() const
    {
        return std::ranges::any_of(form_->parts, [](const CommandForm::Part& part) {
            return !part.name.starts_with('-');
        });
    }

    void take(const std::string& word)
    {
        if (word.starts_with("--") && word.size() > 2)
            take_flag(word);
        else if (word.starts_with('-') && word.size() > 1 && word != "--")
            take_short(word);
        else
            take_other(word);
    }

    void take_flag(const std::string& word)
    {
        const std::size_t sign = word.find('=');
        const std::string name = word.substr(0, sign);
        const auto value = [&] { return word.substr(sign + 1); };
        if (name == "--help" || name == "--help-all" || name == "--version") {
            (name == "--help"       ? words_.help
             : name == "--help-all" ? words_.help_all
                                    : words_.version) = true;
            return;
        }
        if (name == "--secret")
            refuse_word(fmt::format(
                "there is no --secret, since every user of a machine can read its command lines "
                "(ps): put the secret into a file for --secret-file, or into the environment "
                "variable {}",
                line_.variable_of("secret")));
        const OwnCommand* const own = own_command(words_.command);
        if (name == "--json" && own != nullptr && own->prints_json) {
            words_.json = true;
            return;
        }
        bool has_value = true;
        bool several = false;
        std::string type = "FILE"; // of --config
        if (const CommandForm::Part* const part = part_called(name)) {
            has_value = !std::holds_alternative<bool*>(part->value);
            type = part->syntax;
        } else if (const Flag* const flag = line_.flag_called(name)) {
            has_value = !flag->option.is_switch();
            several = flag->option.value.is_list;
            type = flag->option.value.syntax;
        } else if (name != "--config") {
            refuse_flag(name);
        }
        if (!several && ++times_[name] > 1)
            refuse_word(fmt::format("{} is given twice, expected it once", name));
        if (!has_value && sign != std::string::npos)
            check_switch(name, value());
        if (!has_value)
            words_.rest.push_back(word);
        else if (sign != std::string::npos)
            put(name, value());
        else
            put(name, value_behind(name, type));
    }

    [[noreturn]] void refuse_flag(const std::string& name) const
    {
        std::vector<std::string> of_command;
        if (form_ != nullptr) {
            for (const CommandForm::Part& part : form_->parts)
                of_command.push_back(part.name);
        }
        const std::string meant = did_you_mean(name, of_command);
        if (!meant.empty())
            refuse_word(fmt::format("there is no flag {}, {}", log::escape(name), meant));
        refuse_word(line_.unknown_flag(name));
    }

    // The next word, unless that is a flag, so that this one's value was forgotten.
    std::string value_behind(const std::string& name, const std::string& type)
    {
        if (next_ == given_.size() || is_flag(given_[next_]))
            refuse_word(fmt::format("{} needs a value: {} {}", name, name, type));
        return given_[next_++];
    }

    void put(const std::string& name, const std::string& value)
    {
        const Flag* const flag = line_.flag_called(name);
        if (flag != nullptr && flag->option.value.objection_to_argument) {
            const std::string why = flag->option.value.objection_to_argument(value);
            if (!why.empty())
                refuse_word(fmt::format("{}: {}", name, why));
        }
        if (value.empty()) { // CLI11 would take the next word for it
            words_.rest.push_back(name);
            words_.rest.emplace_back();
        } else {
            words_.rest.push_back(fmt::format("{}={}", name, value));
        }
    }

    void take_short(const std::string& word)
    {
        if (word == "-h")
            words_.help = true;
        else if (word == "-v" || word == "-V")
            words_.version = true;
        else if (word == "-c")
            take_config([this] { return value_behind("-c", "FILE"); });
        else if (word.starts_with("-c="))
            take_config([&word] { return word.substr(3); });
        else
            refuse_word(line_.unknown_flag(word));
    }

    template <class Value>
    void take_config(const Value& value)
    {
        if (++times_["--config"] > 1)
            refuse_word("--config is given twice, expected it once");
        put("--config", value());
    }

    void take_other(const std::string& word)
    {
        if (words_.command == "help") {
            if (line_.form_of(word) == nullptr && own_command(word) == nullptr)
                refuse_word(line_.unknown_command(word));
            words_.command = word;
            return;
        }
        if (takes_a_file(words_.command) && times_["--config"] == 0 && !word.empty()) {
            take_config([&word] { return word; });
            return;
        }
        if (const auto choices = choices_of(words_.command);
            !choices.empty() && words_.argument.empty()) {
            take_argument(word, choices);
            return;
        }
        if (form_ != nullptr && name_needed() && !has_name_) {
            has_name_ = true;
            words_.rest.push_back(word);
            return;
        }
        if (words_.command.empty() && line_.is_command(word))
            refuse_word(fmt::format("the command {} comes before all flags: {} {} ...", word,
                                    line_.program_.name, word));
        refuse_word(
            fmt::format("{} has no meaning here, expected a flag such as --help", as_quoted(word)));
    }

    void take_argument(const std::string& word, const std::vector<std::string>& choices)
    {
        if (std::ranges::find(choices, word) != choices.end()) {
            words_.argument = word;
            return;
        }
        const std::string meant = did_you_mean(word, choices);
        refuse_word(fmt::format("{}: {} is not there, {}", words_.command, as_quoted(word),
                                meant.empty() ? fmt::format("expected {}", fmt::join(choices, ", "))
                                              : meant));
    }

    bool is_flag(const std::string& word) const
    {
        const std::string name = word.substr(0, word.find('='));
        return name == "--help" || name == "--config" || part_called(name) != nullptr ||
               line_.flag_called(name) != nullptr;
    }

    const CommandForm::Part* part_called(const std::string& name) const
    {
        if (form_ == nullptr)
            return nullptr;
        const auto found = std::ranges::find(form_->parts, name, &CommandForm::Part::name);
        return found == form_->parts.end() ? nullptr : &*found;
    }

    const CommandLine& line_;
    std::vector<std::string> given_;
    std::size_t next_ = 0; // of the words that were given
    const CommandForm* form_ = nullptr;
    bool has_name_ = false;
    std::map<std::string, int> times_; // that a flag was given
    Words words_;
};

CommandLine::Words CommandLine::look_at(int argc, const char* const* argv) const
{
    return WordReader(*this, argc, argv).read();
}

const CommandLine::Flag* CommandLine::flag_called(std::string_view flag) const
{
    const auto found = std::ranges::find(
        flags_, flag, [](const auto& each) { return std::string_view(each->name); });
    return found == flags_.end() ? nullptr : found->get();
}

CommandLine::ErrorFormat CommandLine::error_format(int argc, const char* const* argv) const
{
    const std::vector<std::string> words(argv + std::min(argc, 1), argv + std::max(argc, 0));
    if (std::ranges::find(words, "--json") != words.end())
        return ErrorFormat::object;
    const auto given = [&](std::string_view flag) -> std::optional<std::string> {
        for (std::size_t i = 0; i < words.size(); ++i) {
            const std::string_view word = words[i];
            if (word == flag)
                return i + 1 < words.size() ? words[i + 1] : std::string();
            if (word.starts_with(flag) && word.substr(flag.size()).starts_with('='))
                return std::string(word.substr(flag.size() + 1));
        }
        return std::nullopt;
    };
    const auto set = [this](std::string_view option) -> std::optional<std::string> {
        const char* const text = std::getenv(variable_of(option).c_str());
        return text != nullptr && *text != '\0' ? std::optional<std::string>(text) : std::nullopt;
    };
    constexpr std::string_view key = "log-format";
    auto format = given(fmt::format("--{}", key));
    // The environment and the file say how a program logs that runs, not how a command answers.
    const bool starts =
        words.empty() || words.front().starts_with('-') || words.front() == takeover_word;
    if (!format && starts)
        format = set(key);
    if (!format && starts) {
        auto file = given("--config");
        if (!file)
            file = given("-c");
        if (!file)
            file = set("config");
        if (!file && !common_.default_file.empty())
            file = common_.default_file.string();
        if (file)
            format = text_of_key(*file, key);
    }
    return format == "json" ? ErrorFormat::log_lines : ErrorFormat::text;
}

void CommandLine::check_switches() const
{
    for (const auto& flag : flags_) {
        const char* const text =
            flag->option.is_switch() ? std::getenv(flag->variable.c_str()) : nullptr;
        if (text != nullptr && *text != '\0')
            check_switch(fmt::format("{} (or {})", flag->name, flag->variable), text);
    }
}

} // namespace tunnel
