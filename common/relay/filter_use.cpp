#include "common/relay/filter_use.hpp"

#include <string_view>

namespace tunnel {

namespace {

std::string_view text_of_bytes(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

FilterUse::Shown FilterUse::show(std::span<const std::byte> bytes, std::size_t header) const
{
    std::string& out = *room_;
    out.assign(header, '\0');
    Filter::Step step{1};
    while (!bytes.empty() && step.taken > 0 && step.then == Filter::Then::more) {
        const std::string_view text = text_of_bytes(bytes);
        step = side_ == Side::forth ? filter().forth(text, out) : filter().back(text, out);
        bytes = bytes.subspan(step.taken);
    }
    if (step.then == Filter::Then::transparent) {
        out.append(text_of_bytes(bytes));
        filter_->reset();
        return {};
    }
    return {bytes, step.then == Filter::Then::broken};
}

} // namespace tunnel
