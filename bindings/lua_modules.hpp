// lua_modules.hpp: the text of the modules in lua_modules/, put into the program by embed.py.
#pragma once

#include <cstddef>
#include <span>

namespace coir {

struct EmbeddedModule {
    const char* name;
    const unsigned char* text;
    std::size_t size;
};

std::span<const EmbeddedModule> embedded_modules();

}  // namespace coir
