// How the visitors of several remote proxies share the descriptors that there are for visitors.
#pragma once

#include <cstddef>
#include <list>

namespace tunnel {

// Each visitor takes one slot. Half of the slots are divided equally and reserved, so many for each
// remote proxy; the others go to whoever comes first. So a single remote proxy may fill nearly all
// slots, and none keeps out the visitors of another.
class VisitorSlots {
public:
    // The slots of one remote proxy. `all` must outlive it.
    class Share {
    public:
        explicit Share(VisitorSlots& all);

        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;
        ~Share();

        // Whether a visitor may take one now.
        bool is_free() const { return open_ && all_.is_free(*this); }

        // Only if one is free.
        void take();
        void give_back();

        // No more visitors come: none is free here any longer, and none is reserved.
        void close();

        bool is_open() const { return open_; }

        std::size_t taken() const { return taken_; }

    private:
        friend class VisitorSlots;

        VisitorSlots& all_;
        std::size_t taken_ = 0;
        bool open_ = true;
        std::list<Share*>::iterator entry_;
    };

    explicit VisitorSlots(std::size_t capacity) : capacity_(capacity) {}

    // If more are taken than there are from now on, none is free until enough are given back.
    void set_capacity(std::size_t capacity);

    std::size_t capacity() const { return capacity_; }

private:
    std::size_t reserved_for(const Share& share) const { return share.open_ ? reserved_ : 0; }

    bool is_free(const Share& share) const;
    void divide();

    std::size_t capacity_;
    std::size_t reserved_ = 0; // for each remote proxy
    std::size_t taken_ = 0;    // by visitors
    std::size_t claimed_ = 0;  // by visitors, and reserved for those to come
    std::list<Share*> shares_;
};

} // namespace tunnel
