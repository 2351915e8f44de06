#include "remote-proxy/fronts/fronts.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace tunnel {

namespace {

// What its front finds it by.
std::vector<std::string> patterns_of(const PublicNames& names)
{
    return names.given() ? names.hosts : std::vector<std::string>{"*"};
}

Front::Kind kind_of_front(ServiceKind kind)
{
    return kind == ServiceKind::http ? Front::Kind::http : Front::Kind::tls;
}

} // namespace

Fronts::Fronts(asio::io_context& io, const RemoteOptions& options, OnFront on_new, OnFront on_shut)
    : io_(io),
      options_(options),
      on_new_(std::move(on_new)),
      on_shut_(std::move(on_shut)),
      hosts_(io)
{
}

FrontPointer Fronts::listen(const tcp::endpoint& where, bool is_shared)
{
    if (is_shared) {
        if (const auto found = shared_.find(where); found != shared_.end()) {
            FrontPointer there = found->second.lock();
            if (there && !there->retired)
                return there;
        }
    }
    FrontPointer made =
        listen(listener_at(io_, where, {given_, {}}, options_.common.congestion, Hop::edge));
    if (is_shared)
        shared_[where] = made;
    return made;
}

void Fronts::give(GivenSockets given)
{
    given_ = std::move(given);
    former_ports_ = given_.ports();
}

std::optional<std::uint16_t> Fronts::former_port(std::string_view service) const
{
    const auto found = former_ports_.find(use_of_service(service));
    return found == former_ports_.end() ? std::nullopt : std::optional(found->second);
}

void Fronts::begin_accepting()
{
    for (const FrontPointer& each : all_) {
        each->listener.own();
        each->changed.notify();
    }
}

void Fronts::refuse_unserved()
{
    given_.clear();
    for (const FrontPointer& each : all_)
        each->listener.shut_unless_open();
}

FrontPointer Fronts::listen(Listener listener)
{
    return std::make_shared<Front>(io_.get_executor(), Front::Kind::own, std::move(listener));
}

void Fronts::add(Front::Kind kind, Listener listener)
{
    all_.push_back(std::make_shared<Front>(io_.get_executor(), kind, std::move(listener)));
}

void Fronts::start()
{
    std::vector<FrontPointer> staying;
    std::ranges::copy_if(all_, std::back_inserter(staying),
                         [](const auto& each) { return each->kind != Front::Kind::own; });
    for (const FrontPointer& each : staying)
        each->listener.open();
    for (const FrontPointer& each : staying)
        on_new_(each);
}

std::vector<FrontPointer> Fronts::fronts_of(const Place& place) const
{
    if (place.own)
        return {place.own};
    std::vector<FrontPointer> its;
    const Front::Kind kind = kind_of_front(place.service->options.names.kind);
    std::ranges::copy_if(all_, std::back_inserter(its),
                         [kind](const FrontPointer& each) { return each->kind == kind; });
    return its;
}

void Fronts::put(const Place& place)
{
    touch();
    for (const FrontPointer& front : fronts_of(place)) {
        for (const std::string& pattern : patterns_of(place.service->options.names))
            front->routes.put(pattern, place.service);
    }
}

// Another service may have one of them meanwhile.
void Fronts::remove(const Place& place, const PublicNames& names)
{
    touch();
    for (const FrontPointer& front : fronts_of(place)) {
        for (const std::string& pattern : patterns_of(names)) {
            const ServicePointer* const there = front->routes.at(pattern);
            if (there != nullptr && *there == place.service)
                front->routes.remove(pattern);
        }
    }
}

void Fronts::add(const ServicePointer& service, const FrontPointer& own)
{
    const Place& place = places_.emplace(service->number, Place{service, own}).first->second;
    put(place);
    if (!own || std::ranges::find(all_, own) != all_.end())
        return;
    all_.push_back(own);
    on_new_(own);
}

void Fronts::rename(const ServicePointer& service, const PublicNames& before)
{
    const Place& place = places_.at(service->number);
    remove(place, before);
    put(place);
}

void Fronts::open(const PublicService& service)
{
    Place& place = places_.at(service.number);
    if (place.own && !place.own->listener.is_open()) {
        place.own->listener.open();
        place.own->changed.notify();
    }
    place.is_open = true;
    touch();
}

bool Fronts::has_open_service(const Front& front) const
{
    return std::ranges::any_of(front.routes, [this](const auto& route) {
        const auto found = places_.find(route.second->number);
        return found != places_.end() && found->second.is_open;
    });
}

void Fronts::shut(const PublicService& service, bool are_let_in)
{
    const auto found = places_.find(service.number);
    if (found == places_.end() || !found->second.is_open)
        return;
    const FrontPointer own = found->second.own;
    if (are_let_in && own && own->owner() != nullptr)
        on_shut_(own);
    found->second.is_open = false;
    touch();
    if (own && !has_open_service(*own))
        own->listener.shut();
}

void Fronts::close(const PublicService& service)
{
    const auto found = places_.find(service.number);
    if (found == places_.end())
        return;
    const Place place = std::move(found->second);
    places_.erase(found);
    remove(place, service.options.names);
    const FrontPointer& own = place.own;
    if (!own)
        return;
    if (own->routes.empty()) {
        own->retired = true;
        own->listener.close();
        own->changed.notify();
        shared_.erase(own->listener.endpoint());
        std::erase(all_, own);
    } else if (!has_open_service(*own)) {
        own->listener.shut();
    }
}

bool Fronts::is_open(const PublicService& service) const
{
    const auto found = places_.find(service.number);
    return found != places_.end() && found->second.is_open;
}

void Fronts::leave_addresses()
{
    version_->store(routes_closed, std::memory_order_release);
    for (const FrontPointer& each : all_) {
        each->listener.close();
        each->changed.notify();
    }
}

void Fronts::close_all()
{
    leave_addresses();
    for (auto& [number, place] : places_)
        place.is_open = false;
}

// Each of its kind has the same.
const PublicService* Fronts::find(Front::Kind kind, std::string_view host) const
{
    const auto front = std::ranges::find(all_, kind, [](const auto& each) { return each->kind; });
    const ServicePointer* const found = front == all_.end() ? nullptr : (*front)->routes.find(host);
    return found == nullptr ? nullptr : found->get();
}

const PublicService* Fronts::find_tls(std::string_view host) const
{
    return find(Front::Kind::tls, host);
}

const PublicService* Fronts::find_http(std::string_view host) const
{
    return find(Front::Kind::http, host);
}

std::optional<tcp::endpoint> Fronts::first(Front::Kind kind) const
{
    const auto found = std::ranges::find(all_, kind, [](const auto& each) { return each->kind; });
    return found == all_.end() ? std::nullopt : std::optional((*found)->listener.endpoint());
}

} // namespace tunnel
