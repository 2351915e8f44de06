#include "tests/bench/hello.hpp"

#include <cstddef>

namespace bench {
namespace {

// Recorded from curl 7.88 with OpenSSL 3.0; behind it come the zeros of the padding extension.
constexpr std::string_view recorded =
    "1603010200010001fc03039ce097f8036cc75a82e09200bc31152cbb482f38a5e1c715b1b95d54e107658d209483"
    "3ac5eff989b7d4527a695046175d71465d0a5263a1ebbcc05a1902387f92003e130213031301c02cc030009fcca9"
    "cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f"
    "00ff0100017500000012001000000d62656e63682e6578616d706c65000b000403000102000a00160014001d0017"
    "001e00190018010001010102010301040010000e000c02683208687474702f312e31001600000017000000310000"
    "000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602"
    "002b0009080304030303020301002d00020101003300260024001d0020d8cf8a09e79cfc3123175b09a29a50dac0"
    "e802a7a56f91032366cf2f7f639e4b001500b0";
constexpr std::size_t whole_size = 517;

constexpr int value_of(char digit)
{
    return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

std::string bytes_of(std::string_view hexadecimal)
{
    std::string bytes;
    for (std::size_t at = 0; at + 1 < hexadecimal.size(); at += 2)
        bytes += static_cast<char>(value_of(hexadecimal[at]) * 16 + value_of(hexadecimal[at + 1]));
    return bytes;
}

} // namespace

const std::string& prepared_hello()
{
    static const std::string hello = [] {
        std::string bytes = bytes_of(recorded);
        bytes.resize(whole_size, '\0');
        return bytes;
    }();
    return hello;
}

} // namespace bench
