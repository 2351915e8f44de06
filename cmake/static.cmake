# The two programs once more, linked with no shared library, so that they start on any Linux of the architecture: of
# the very objects that the tests have tried. Debian has no static library of fmt, toml++ and prometheus-cpp;
# scripts/package/static.sh gets the sources of Debian's packages, and asks for these targets.
set(STATIC_SOURCES ${PROJECT_SOURCE_DIR}/build/sources)
if(NOT EXISTS ${STATIC_SOURCES}/complete)
    return()
endif()

add_library(static_packages STATIC EXCLUDE_FROM_ALL
    ${STATIC_SOURCES}/fmtlib/src/format.cc
    ${STATIC_SOURCES}/prometheus-cpp/core/src/serializer.cc
    ${STATIC_SOURCES}/prometheus-cpp/core/src/text_serializer.cc
    cmake/tomlplusplus.cpp)
target_include_directories(static_packages SYSTEM PRIVATE ${STATIC_SOURCES}/prometheus-cpp/core/include)
target_compile_definitions(static_packages PRIVATE TOML_HEADER_ONLY=0)
set_target_properties(static_packages PROPERTIES UNITY_BUILD OFF)
# What fmt says when it is misused names its file, which would be another one in each checkout.
target_compile_options(static_packages PRIVATE -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

# By their names: the targets of these libraries would bring the shared ones.
set(static_libraries -l:libssl.a -l:libcrypto.a -l:libseccomp.a -l:libcap-ng.a -l:libcrypt.a)

foreach(side remote origin)
    set(program ${side}-proxy-static)
    set(own $<TARGET_FILE:tunnel_${side}> $<TARGET_FILE:tunnel_common>)
    add_executable(${program} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:${side}-proxy> common/base/static_program.cpp)
    target_link_libraries(${program} PRIVATE ${own} static_packages ${static_libraries})
    add_dependencies(${program} tunnel_${side} tunnel_common)
    set_target_properties(${program} PROPERTIES
        UNITY_BUILD OFF OUTPUT_NAME ${side}-proxy RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/static
        LINK_DEPENDS "${own}"
        # In place of -pie, beside which it is not static.
        LINK_OPTIONS "-static-pie;LINKER:-z,relro,-z,now,-z,noexecstack")
endforeach()
