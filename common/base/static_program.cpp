// What is different in a program that is linked with no shared library: cmake/static.cmake. It
// starts on systems of which it knows nothing, and their libraries, of another C library or another
// version of it, are none of its own.
#include <array>
#include <cstdlib>

#include <dlfcn.h>
#include <nss.h>
#include <openssl/x509.h>
#include <unistd.h>

namespace {

// /etc/nsswitch.conf may name modules, and glibc would load them into a program that has another
// glibc in itself. These two it has in itself too.
void look_up_with_own_code()
{
    for (const char* const database : {"passwd", "group", "initgroups", "shadow", "gshadow",
                                       "services", "protocols", "networks", "ethers", "rpc"})
        ::__nss_configure_lookup(database, "files");
    ::__nss_configure_lookup("hosts", "files dns");
}

// libcrypto.a knows where Debian has the certificates of authorities. These are the places of
// Debian, Alpine and Arch, of Fedora and RHEL, of SUSE, and of small systems. What the user says
// goes first.
void find_authorities()
{
    constexpr std::array<const char*, 5> bundles{
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
    for (const char* const bundle : bundles) {
        if (::access(bundle, R_OK) == 0) {
            ::setenv(::X509_get_default_cert_file_env(), bundle, 0);
            return;
        }
    }
}

// Before main(), and before any thread.
[[gnu::constructor]] void prepare_static_program()
{
    look_up_with_own_code();
    find_authorities();
}

} // namespace

// The linker takes these in place of glibc's: who asks for code gets none. That are the sandbox,
// for the modules above, and OpenSSL, for what its configuration names.
extern "C" {

void* dlopen(const char* /*file*/, int /*mode*/) noexcept
{
    return nullptr;
}

void* dlsym(void* /*handle*/, const char* /*name*/) noexcept
{
    return nullptr;
}

int dlclose(void* /*handle*/) noexcept
{
    return -1;
}

char* dlerror() noexcept
{
    static char words[] = "this program is static and loads no code";
    return words;
}

int dladdr(const void* /*address*/, Dl_info* /*info*/) noexcept
{
    return 0;
}
}
