// Compiles asio once for the whole project instead of in every file that includes it.
#include <asio/impl/src.hpp>
