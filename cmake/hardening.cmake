# What compilers and linker do against a fault in memory becoming more than a crash, for every target;
# tests/e2e/test_hardening.py looks for it in the two programs.
include(CheckCXXCompilerFlag)
include(CheckPIESupported)

# Loaded at an address nobody can foresee. Every library here is part of a program, so -fPIE will do
# where CMAKE_POSITION_INDEPENDENT_CODE would give -fPIC, and one precompiled header fits all.
check_pie_supported(LANGUAGES CXX)
add_compile_options(-fPIE -fstack-protector-strong)
# All functions are looked up at start and their table is read-only from then on; no stack is code.
add_link_options(-pie LINKER:-z,relro,-z,now,-z,noexecstack)

# Indirect jumps lead to where a function begins only: on x86, with a processor and kernel that check it.
check_cxx_compiler_flag(-fcf-protection KNOWS_CF_PROTECTION)
if(KNOWS_CF_PROTECTION)
    add_compile_options(-fcf-protection)
endif()
# The same on 64-bit ARM, and return addresses are signed.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$") # clang knows the flag everywhere, and complains later
    add_compile_options(-mbranch-protection=standard)
endif()

# Sizes that the compiler knows are checked in calls of the C library; in optimised builds only, which
# those with sanitizers are not: both want to replace the same functions. Level 3 came with gcc 12.
set(level 2)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang"
    OR (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12))
    set(level 3)
endif()
set(optimised $<CONFIG:Release,RelWithDebInfo,MinSizeRel>)
add_compile_options("$<${optimised}:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=${level}>")

# An index out of range ends the program. Not measurable in what the programs do.
add_compile_definitions(_GLIBCXX_ASSERTIONS)
