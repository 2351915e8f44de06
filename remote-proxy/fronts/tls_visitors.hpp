// Visitors who speak TLS, and find their service by its name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/security/served_certificates.hpp"
#include "common/transport/hello_name.hpp"
#include "remote-proxy/fronts/acceptor.hpp"
#include "remote-proxy/fronts/front_counts.hpp"
#include "remote-proxy/fronts/fronts.hpp"
#include "remote-proxy/fronts/handshake_pool.hpp"
#include "remote-proxy/fronts/hello_pool.hpp"
#include "remote-proxy/fronts/http_visitors.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/visitors/admission.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"

namespace tunnel {

// Looks at each hello without taking it. The visitor of an opaque service goes on as if nobody had
// looked; for one whose TLS ends here it shakes hands first. Whoever cannot be passed on is told
// why by an alert, as far as TLS has one for it.
class TlsVisitors final : public NamedVisitors {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const Capacity& capacity;
        const RunState& state;
        const Fronts& fronts;
        Tallies& tallies;
        Alarm& alarm;
        Admission& admission;
        HttpVisitors& http; // for those whose TLS ends here
    };

    explicit TlsVisitors(Uses uses);

    void take(Newcomer newcomer) override;

    // Those that visitors are shown from now on.
    void show(std::shared_ptr<const ServedCertificates> certificates)
    {
        certificates_ = std::move(certificates);
    }

    const ServedCertificates* certificates() const { return certificates_.get(); }

    // Calls back for hellos that have come. While descriptor() is readable.
    void work() { pool_.work(); }

    int descriptor() const { return pool_.descriptor(); }

    // Resets those who have not said in time what they want, some in each call.
    // Looks once more at hellos of which the kernel has told too early.
    void expire(Clock::time_point now);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    // Resets all who are not passed on.
    void stop();

    // Those who have not said which name they want, or shake hands.
    std::size_t size() const { return pool_.size() + handshakes_.size(); }

    const FrontCounts& counts() const { return counts_; }

private:
    std::size_t look(Newcomer& newcomer, std::size_t waited_for);
    void route(Newcomer newcomer, const HelloName& hello);
    bool takes_visitors(const PublicService& service) const;
    void pass_on(const ServicePointer& service, Newcomer newcomer);

    std::size_t most_waiting() const { return uses_.capacity.looks() / 2; }

    void shake_hands(const ServicePointer& service, Newcomer newcomer, const std::string& name);
    void finish(const ServicePointer& service, Newcomer newcomer, VisitorHandshakes::Result result,
                VisitorLimits::Permit permit, HandshakePool::Outcome outcome);
    void admit(const ServicePointer& service, Newcomer newcomer, Channel channel,
               VisitorLimits::Permit permit);
    void refuse(Newcomer newcomer, NoHello why);
    void refuse(Newcomer newcomer, Code reason, std::string_view words,
                std::string_view last_bytes = {}, const PublicService* service = nullptr);

    const Uses uses_;
    HelloPool pool_;
    HandshakePool handshakes_;
    std::shared_ptr<const ServedCertificates> certificates_;
    FrontCounts counts_;
};

} // namespace tunnel
