// How the visitors of several remote proxies divide the descriptors that there are for them.
#pragma once

#include <cstddef>
#include <list>

namespace tunnel {

// A place is what one visitor takes. Of half of the places each remote proxy has an equal part,
// which is kept for it; the rest is for whoever comes first. So a single one may fill nearly all,
// and none keeps the visitors of another out.
class VisitorPlaces {
public:
    // Those of one remote proxy. `all` must live as long.
    class Part {
    public:
        explicit Part(VisitorPlaces& all);

        Part(const Part&) = delete;
        Part& operator=(const Part&) = delete;
        ~Part();

        bool is_free() const { return all_.is_free(*this); }

        // Only if one is free.
        void take();
        void give_back();

        // No more visitors come: keeps none for them any longer.
        void close();

        std::size_t taken() const { return taken_; }

    private:
        friend class VisitorPlaces;

        VisitorPlaces& all_;
        std::size_t taken_ = 0;
        bool open_ = true;
        std::list<Part*>::iterator entry_;
    };

    explicit VisitorPlaces(std::size_t capacity) : capacity_(capacity) {}

    // Where there are more now than are left, none is free until some have been given back.
    void set_capacity(std::size_t capacity);

    std::size_t capacity() const { return capacity_; }

private:
    std::size_t kept_for(const Part& part) const { return part.open_ ? kept_ : 0; }

    bool is_free(const Part& part) const;
    void divide();

    std::size_t capacity_;
    std::size_t kept_ = 0;    // for each remote proxy
    std::size_t taken_ = 0;   // by visitors
    std::size_t claimed_ = 0; // by visitors, and kept for those to come
    std::list<Part*> parts_;
};

} // namespace tunnel
