// Where the sandbox's header was, for tools that are built against the library from outside.
#pragma once

#include "common/sandbox/sandbox.hpp"
